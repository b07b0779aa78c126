"""Refuse what a file or a network declares of its size, before anything is allocated for it.

One budget for all commands and for Python. EDGESEG_LIMITS raises it, such as `bytes=8G,pixels=500M`; on the
command line `edgeseg --limit bytes=8G COMMAND` says the same.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from typing import Literal

from edgeseg.errors import EdgesegError, UsageError, shown

VARIABLE = "EDGESEG_LIMITS"
Name = Literal["bytes", "tensor", "text", "pixels", "width"]

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_UNITS = {"": 1, "k": _KIB, "m": _MIB, "g": _GIB}
_MOST = 1 << 60  # of any limit: sums of a few stay within 64 bits
_FORM = re.compile(r"([a-z]+)=([0-9]{1,19})([kmg]?)", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """The most that is believed; what really lies in a file is never refused for its size alone.

    Attributes:
        bytes: that a file may declare beyond those it has: unpacked, or as tensors that share memory. Trained
            weights hardly compress.
        tensor: bytes of one tensor between two layers. A U-Net of 64 channels takes 1 GiB at 2048x2048.
        text: bytes of a file that is read as text: a manifest, class names. Real ones have kilobytes.
        pixels: of a picture (those of 16 bits count twice), or of all pictures of a network's input. With the
            default, 8192x8192, frame, labels and what is written of them keep a run within about 1 GiB.
        width: channels of a layer, or features; the widest networks of the zoo have 2048.
    """

    bytes: int = 512 * _MIB
    tensor: int = 4 * _GIB
    text: int = 16 * _MIB
    pixels: int = 64 * _MIB
    width: int = 16384


class OverLimitError(Exception):
    """The cause of an error that a limit alone is to blame for, and a higher one would mend."""


def current() -> Limits:
    """Give the limits that hold now.

    Raises:
        UsageError: if EDGESEG_LIMITS is not of its form.
    """
    text = os.environ.get(VARIABLE, "")
    return parse(text) if text else Limits()


def adopt(limits: Limits) -> None:
    """Let limits, such as those of another machine's command, hold in this process and in those it starts."""
    os.environ[VARIABLE] = ",".join(f"{name}={value}" for name, value in dataclasses.asdict(limits).items())


def parse(text: str) -> Limits:
    """Read limits as EDGESEG_LIMITS holds them, over the defaults.

    Raises:
        UsageError: if the text is not of the form, or there is no such limit.
    """
    names = [field.name for field in dataclasses.fields(Limits)]
    chosen: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        match = _FORM.fullmatch(part.strip())
        if match is None or match[1].lower() not in names:
            raise UsageError(
                f"{shown(part)} is not a limit; write NAME=AMOUNT such as bytes=8G, of {', '.join(names)}"
            )
        amount = int(match[2]) * _UNITS[match[3].lower()]
        if not 1 <= amount <= _MOST:
            raise UsageError(f"{shown(part)}: a limit must be 1 to {_MOST}")
        chosen[match[1].lower()] = amount
    return Limits(**chosen)


def refuse_above(name: Name, declared: int, what: str, error: type[EdgesegError]) -> None:
    """Raise `error` if more is declared than the limit of that name.

    Args:
        declared: bytes, pixels or channels.
        what: declares it, for the message: `model.onnx unpacked`.
    """
    limit = getattr(current(), name)
    if declared > limit:
        raised = f"{name}={declared}" if name == "width" else f"{name}={-(-declared // _MIB)}M"
        raise error(
            f"{what} takes {_amount(name, declared)}, at most {_amount(name, limit)} are allowed; where that "
            f"is right, raise the limit: edgeseg --limit {raised} COMMAND, or {VARIABLE}={raised}"
        ) from OverLimitError(name)


def _amount(name: Name, value: int) -> str:
    if name == "pixels":
        return f"{value / 1e6:.4g} million pixels"
    if name == "width":
        return f"{value} channels"
    return f"{value / _MIB:.4g} MiB"
