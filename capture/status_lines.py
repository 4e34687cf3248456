"""A recording for people, in lines. No I/O."""

import math

from capture.meters import DeviceStatus
from capture.record_status import Notice, RecordStatus


def status_lines(status: RecordStatus) -> str:
    """A recording under way: one line, and below it one for each device of several."""
    if status.missing:
        first = f"waiting for: {', '.join(status.missing)} (Ctrl-C gives up)"
        waiting = [d for d in status.devices if len(status.devices) > 1]
        return "\n".join([first, *map(device_line, waiting)])
    devices = status.devices
    head = [f"{status.state.value} {status.elapsed_s:.0f} s"]
    tail = [f"{status.faces} faces", f"{status.bytes_on_disk / 1e6:.1f} MB on disk", *_more(status)]
    told = [f"NOT READY: {text}" for text in status.problems]
    told += [f"WARNING: {text}" for text in status.warnings]
    if len(devices) == 1:
        return "\n".join(["  ".join([*head, *_device_parts(devices[0]), *tail]), *told])
    return "\n".join(["  ".join(head + tail), *map(device_line, devices), *told])


def _more(status: RecordStatus) -> list[str]:
    """What is only told where there is any."""
    parts = [f"{status.marks} markers"] if status.marks else []
    if status.left_s < math.inf:
        parts.append(f"room for {status.left_s / 60:.0f} min")
    return parts


def device_line(device: DeviceStatus) -> str:
    """One device of several."""
    return "  ".join([f"  {device.name}:", *_device_parts(device)])


def _device_parts(device: DeviceStatus) -> list[str]:
    parts = [
        f"{device.rate_hz:.0f} samples/s",
        f"{device.lost} lost",
        f"age {1000 * device.age_s:.0f} ms",
        f"clock {1000 * device.late_s:+.1f} ms",
    ]
    if device.state != "up":
        parts.insert(0, device.state.upper())
    if math.isfinite(device.battery):
        parts.append(f"battery {100 * device.battery:.0f} %")
    if device.garbage_bytes:
        parts.append(f"{device.garbage_bytes} bytes of garbage")
    if device.links_down:
        parts.append(f"link lost {device.links_down} times")
    if device.silent:
        parts.append(f"SILENT: {', '.join(device.silent)}")
    return parts


def notice_lines(notice: Notice) -> list[str]:
    """What happened to a device, for people."""
    lines = [f"imusic: {notice.device}: {notice.text}"]
    return [*lines, f"  hint: {notice.hint}"] if notice.hint else lines
