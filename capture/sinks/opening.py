"""From what the operator said to sinks that are open."""

from contextlib import ExitStack
from pathlib import Path

from capture.sinks import facecap, livelink, phone_text, vmc, vrchat
from capture.sinks.config import SinkConfig
from capture.sinks.shells import Encoder, PhoneSink, Sink, UdpSink, day_offset_ns


def open_sinks(configs: list[SinkConfig]) -> list[Sink]:
    """Open all of them, or none.

    Raises:
        ConfigError, TransportError, EnvironmentMissing: one cannot be opened.
    """
    with ExitStack() as undo:
        sinks = []
        for config in configs:
            sinks.append(open_sink(config))
            undo.callback(sinks[-1].close)
        undo.pop_all()
    return sinks


def open_sink(config: SinkConfig) -> Sink:
    """Open one sink. Raises as `open_sinks` does."""
    if config.kind.suffix:
        return _open_file(config)
    if config.kind.scheme == "lsl":
        from capture.sinks.lsl import LslSink

        return LslSink(config.target)
    options = config.options
    if isinstance(options, phone_text.PhoneTextOptions) and options.listen:
        return PhoneSink(config.kind.scheme, config.host, config.port, options.allow)
    return UdpSink(encoder_of(config), config.host, config.port)


def encoder_of(config: SinkConfig) -> Encoder:
    """The encoder of a sink that sends datagrams."""
    options = config.options
    if isinstance(options, livelink.LiveLinkOptions):
        return livelink.LiveLinkEncoder(options, day_offset_ns())
    if isinstance(options, vmc.VmcOptions):
        return vmc.VmcEncoder(options)
    if isinstance(options, vrchat.VrchatOptions):
        return vrchat.make_vrchat_encoder(options)
    if isinstance(options, facecap.FaceCapOptions):
        return facecap.FaceCapEncoder(options)
    return phone_text.PhoneTextEncoder(phone_text.DIALECTS[config.kind.scheme])


def _open_file(config: SinkConfig) -> Sink:
    from capture.sinks.files import write_csv, write_npz
    from capture.sinks.spool import Faces, FileSink

    def write_head(path: Path, faces: Faces) -> None:
        from capture.head import standard_head
        from capture.sinks.animation import write_animation

        write_animation(path, faces, standard_head())

    write = {".csv": write_csv, ".npz": write_npz, ".glb": write_head}[config.kind.suffix]
    return FileSink(Path(config.target), write)
