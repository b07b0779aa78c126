"""Read the options of a source, which stand behind # in its address: `rtsp://camera/1#transport=udp`.

They are behind # since nothing else of an address is: its query belongs to the server that it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from edgeseg.errors import UsageError

OPEN_TIMEOUT_S = 10.0  # of network streams; FFmpeg alone waits for ever
READ_TIMEOUT_S = 10.0
TIMEOUT_RANGE_S = (0.1, 3600.0)
FPS_RANGE = (0.01, 1000.0)
SIDE_RANGE = (1, 65535)  # pixels
TRANSPORTS = ("tcp", "udp")
KEY = re.compile(r"[a-z][a-z-]{0,31}")

OptionsT = TypeVar("OptionsT")
Reading = Callable[[str], Any]  # raises ValueError with what is wanted


def _transport(text: str) -> str:
    if text not in TRANSPORTS:
        raise ValueError(f"{' or '.join(TRANSPORTS)}")
    return text


def _number(text: str, bounds: tuple[float, float], unit: str) -> float:
    low, high = bounds
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not low <= float(text) <= high:
        raise ValueError(f"{unit}, {low:g} to {high:g}")
    return float(text)


def _seconds(text: str) -> float:
    return _number(text, TIMEOUT_RANGE_S, "seconds")


def _fps(text: str) -> float:
    return _number(text, FPS_RANGE, "frames a second")


def _size_wh(text: str) -> tuple[int, int]:
    low, high = SIDE_RANGE
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if match is None or not all(low <= int(side) <= high for side in match.groups()):
        raise ValueError("WIDTHxHEIGHT in pixels, such as 1280x720")
    return int(match[1]), int(match[2])


def _fourcc(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{4}", text):
        raise ValueError("a pixel format of four letters, such as MJPG or YUYV")
    return text.upper()


@dataclass(frozen=True)
class NetworkOptions:
    """What may be asked of a network stream.

    Attributes:
        transport: how RTSP sends its pictures: `tcp` waits for what is lost, `udp` leaves it out.
        open_timeout_s: an address that does not answer for so long is down.
        read_timeout_s: so is a stream that is silent for so long.
    """

    transport: str = "tcp"
    open_timeout_s: float = OPEN_TIMEOUT_S
    read_timeout_s: float = READ_TIMEOUT_S


@dataclass(frozen=True)
class CameraOptions:
    """What may be asked of a camera's driver; None stands for its own choice.

    Attributes:
        size_wh: width and height in pixels.
        fps: frames a second.
        fourcc: pixel format by its four letters, such as MJPG or YUYV.
    """

    size_wh: tuple[int, int] | None = None
    fps: float | None = None
    fourcc: str | None = None


# Key in the address: field, and how its value is read.
TIMEOUTS: dict[str, tuple[str, Reading]] = {
    "open-timeout": ("open_timeout_s", _seconds),
    "read-timeout": ("read_timeout_s", _seconds),
}
RTSP: dict[str, tuple[str, Reading]] = {"transport": ("transport", _transport), **TIMEOUTS}
CAMERA: dict[str, tuple[str, Reading]] = {
    "size": ("size_wh", _size_wh),
    "fps": ("fps", _fps),
    "format": ("fourcc", _fourcc),
}


def split_options(text: str) -> tuple[str, str]:
    """Split an address from its options, behind the last #; they are empty where there are none."""
    place, _, options = text.rpartition("#") if "#" in text else (text, "", "")
    return place, options


def network_options(text: str, name: str, *, rtsp: bool) -> NetworkOptions:
    """Read the options of a network stream. Raises UsageError, which calls it `name`."""
    return NetworkOptions(**_read(text, name, RTSP if rtsp else TIMEOUTS))


def camera_options(text: str, name: str) -> CameraOptions:
    """Read the options of a camera. Raises UsageError, which calls it `name`."""
    return CameraOptions(**_read(text, name, CAMERA))


def _read(text: str, name: str, known: Mapping[str, tuple[str, Reading]]) -> dict[str, Any]:
    """Read `KEY=VALUE&KEY=VALUE`; what may be part of a password is not quoted."""
    values: dict[str, Any] = {}
    for option in text.split("&") if text else ():
        key, separator, value = option.partition("=")
        if "@" in text or not separator or not KEY.fullmatch(key):
            raise UsageError(
                f"what stands behind # in {name} is not KEY=VALUE, with one of {', '.join(known)}; "
                "a # that belongs to the address is written %23"
            )
        if key not in known:
            raise UsageError(f"{name} has no option {key}; there are: {', '.join(known)}")
        field, read = known[key]
        if field in values:
            raise UsageError(f"{name} is given {key} twice; leave one")
        try:
            values[field] = read(value)
        except ValueError as error:
            raise UsageError(f"{key} of {name} must be {error}, got {value!r}") from None
    return values
