"""The exported denoiser in ONNX Runtime."""

import numpy as np

from firmware_host.errors import DataError
from firmware_host.samples import Floats
from model.checkpoint import Checkpoint
from model.predictor import Denoise


def open_network(checkpoint: Checkpoint) -> Denoise:
    """Return a function that runs the checkpoint's network on one core.

    Raises:
        DataError: ONNX Runtime cannot read the file.
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
    except Exception as error:
        raise DataError(f"{checkpoint.onnx_path}: ONNX Runtime cannot load it: {error}") from error

    def denoise(xt: Floats, t: int, features: Floats) -> Floats:
        feed = {"xt": xt, "t": np.array([t], np.float32), "features": features}
        return np.asarray(session.run(["x0"], feed)[0], np.float32)

    return denoise
