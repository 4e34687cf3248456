"""The exported denoiser in ONNX Runtime."""

from typing import TYPE_CHECKING

import numpy as np

from capture.blendshapes import ARKIT_NAMES
from firmware_host.errors import DataError
from firmware_host.samples import Floats
from model.checkpoint import Checkpoint
from model.kalman import input_count
from model.predictor import Denoise

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_network(checkpoint: Checkpoint) -> Denoise:
    """Return a function that runs the checkpoint's network on one core.

    Raises:
        DataError: ONNX Runtime cannot read the file, or it is a network of another window, layout
            or kind than `checkpoint.json` says.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread without spinning: two measured slower on small machines, and the avatar's game
    # needs the other cores.
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(checkpoint.onnx_path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its classes share no other base, and their module is private
        raise DataError(f"{checkpoint.onnx_path}: ONNX Runtime cannot load it: {error}") from error

    _check_fits(checkpoint, session)

    def denoise(xt: Floats, t: int, features: Floats) -> Floats:
        feed = {"xt": xt, "t": np.array([t], np.float32), "features": features}
        return np.asarray(session.run(["x0"], feed)[0], np.float32)

    return denoise


def _check_fits(checkpoint: Checkpoint, session: "InferenceSession") -> None:
    window, weights = checkpoint.facts.window, len(ARKIT_NAMES)
    expected = {
        "xt": [1, window, weights],
        "t": [1],
        "features": [1, window, input_count(checkpoint.layout)],
        "x0": [1, window, weights],
    }
    tensors = (*session.get_inputs(), *session.get_outputs())
    found = {tensor.name: list(tensor.shape) for tensor in tensors}
    if found.keys() != expected.keys():
        raise DataError(
            f"{checkpoint.onnx_path}: expected a network of {', '.join(expected)}, "
            f"got one of {', '.join(found)}"
        )
    for name, shape in expected.items():
        # A size that is no number is left open by the network.
        sizes = [s if isinstance(s, int) else e for s, e in zip(found[name], shape, strict=False)]
        if sizes != shape or len(found[name]) != len(shape):
            raise DataError(
                f"{checkpoint.onnx_path}: expected {name} of shape {shape} by the window and "
                f"layout of checkpoint.json, got {found[name]}",
                "the two files belong to different checkpoints",
            )
