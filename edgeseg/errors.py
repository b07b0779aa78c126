"""Every error edgeseg raises on purpose; each carries one line that says what is wrong and how to fix it.

EdgesegError
├── UsageError            the caller asked for something that does not exist or does not fit (exit status 2)
├── ShapeError            an array has the wrong shape or dtype (also a ValueError)
├── MissingExtraError     an optional dependency is not installed
├── SpecError             a ModelSpec is malformed, or of a schema this version does not read
│   └── RangeError        a number lies outside the range of its field (also a UsageError)
├── CheckpointError       weights cannot be read, or do not fit the network
├── ExportError           a network cannot be turned into a portable model
├── ParityError           an artifact does not compute what PyTorch computes
├── EngineError           an engine cannot be built, opened or run
│   └── NoDeviceError     the device that an engine runs on is not there
├── BaselineError         an engine is slower than it was, by more than is allowed
├── SourceError           frames cannot be read
│   └── SourceDownError   a camera or server does not answer now; it may later
├── SinkError             results cannot be written
└── RemoteError           a device cannot be reached, lacks something, or fails
"""

from __future__ import annotations

import reprlib

MOST_MESSAGE = 1600  # characters; of a longer one the middle goes, since the fix stands at its end
_KEPT_END = 400
SHOWN_NAMES = 3  # of a list of them
_VALUES = reprlib.Repr()
_VALUES.maxstring = _VALUES.maxother = _VALUES.maxlong = 60


def one_line(text: str) -> str:
    """Turn any text into one line of bounded length without control characters."""
    if len(text) > MOST_MESSAGE:
        text = f"{text[: MOST_MESSAGE - _KEPT_END]} ... {text[-_KEPT_END:]}"
    text = " ".join(text.split("\n"))
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: object) -> str:
    """Give a value that somebody else wrote as it stands in a message: short, and quoted if it is a text."""
    return _VALUES.repr(value)


def name_a_few(names: list[str]) -> str:
    """List the first few names and count the rest."""
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


class EdgesegError(Exception):
    """Base of all errors edgeseg raises on purpose; its text is one line, whatever it quotes."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class UsageError(EdgesegError):
    """The caller asked for something that does not exist or does not fit."""


class ShapeError(EdgesegError, ValueError):
    """An array has the wrong shape or dtype."""


class MissingExtraError(EdgesegError, ImportError):
    """An optional dependency is not installed, or not whole.

    Args:
        package: the import that failed, such as `onnxruntime`.
        extra: the extra of edgeseg that installs it, such as `cpu`.
        reason: why it cannot be loaded, though it is there; empty where it is not.
    """

    def __init__(self, package: str, extra: str, reason: str = "") -> None:
        state = f"is there, but cannot be loaded ({reason})" if reason else "is not installed"
        super().__init__(f"{package} {state}; run: pip install 'edgeseg[{extra}]'")
        self.package = package
        self.extra = extra
        self.reason = reason

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """Let it be raised in one process and told in another."""
        return type(self), (self.package, self.extra, self.reason)


class SpecError(EdgesegError):
    """A ModelSpec is malformed, or of a schema that this version does not read."""


class RangeError(SpecError, UsageError):
    """A number lies outside the range of its field."""


class CheckpointError(EdgesegError):
    """Weights cannot be read, or do not fit the network."""


class ExportError(EdgesegError):
    """A network cannot be turned into a portable model."""


class ParityError(EdgesegError):
    """An artifact does not compute what PyTorch computes."""


class EngineError(EdgesegError):
    """An engine cannot be built, opened or run."""


class NoDeviceError(EngineError):
    """The device that an engine runs on, or its driver, is not there; the engine itself may be fine."""


class BaselineError(EdgesegError):
    """An engine is slower than a baseline allows, beyond noise."""


class SourceError(EdgesegError):
    """Frames cannot be read."""


class SourceDownError(SourceError):
    """A camera or server does not answer; what is given for it may be right, and trying again later helps."""


class SinkError(EdgesegError):
    """Results cannot be written."""


class RemoteError(EdgesegError):
    """A device cannot be reached, lacks something that is needed there, or fails at what it was asked."""
