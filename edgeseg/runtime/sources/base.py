"""Say what every source of frames offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from edgeseg.runtime.frame import Frame

SourceT = TypeVar("SourceT", bound="Source")


class Source(ABC):
    """Where frames come from; iterate it once, and close it or use it as a context manager.

    Attributes:
        name: what to call it in messages, without passwords.
        live: frames arrive at their own pace and go stale if nobody takes them.
        fps: frames a second, None where unknown.
        frame_count: how many frames it will give, None where unknown or endless; containers give estimates.
        files: the files it reads, none for cameras and streams.
        skipped: one line for each input, or part of one, that could not be read.
    """

    name: str
    live: bool = False
    fps: float | None = None
    frame_count: int | None = None
    files: Sequence[Path] = ()

    def __init__(self) -> None:
        self.skipped: list[str] = []

    @abstractmethod
    def read(self) -> Frame | None:
        """Return the next frame, None at the end.

        Raises:
            SourceError: if it cannot be read.
        """

    def skip(self) -> bool:
        """Pass over the next frame as cheaply as the source can; False at the end."""
        return self.read() is not None

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Let go of devices and files; may be called twice, and while another thread is blocked in `read`."""

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self: SourceT) -> SourceT:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
