"""Say what every source of frames offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
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
        pixel_aspect: width of a pixel over its height.
        has_sound: there is sound beside the frames; it is not read.
        bad_frames: damaged or missing frames that were passed over so far.
        skipped: one line for each input, or part of one, that could not be read.
        notes: one line for each thing that was read otherwise than a user might expect.
        closed: `close` was called.
    """

    name: str
    live: bool = False
    fps: float | None = None
    frame_count: int | None = None
    files: Sequence[Path] = ()
    pixel_aspect: Fraction = Fraction(1)
    has_sound: bool = False
    closed: bool = False

    def __init__(self) -> None:
        self.bad_frames = 0
        self.skipped: list[str] = []
        self.notes: list[str] = []

    @abstractmethod
    def read(self) -> Frame | None:
        """Return the next sound frame, None at the end.

        A damaged frame is not the end: it is counted in `bad_frames` and the next one is read. A recording is
        read to its end; a live source that sends too many of them, or for too long, counts as dead.

        Raises:
            SourceError: if it cannot be read.
        """

    def skip(self) -> bool:
        """Pass over the next frame as cheaply as the source can; False at the end."""
        return self.read() is not None

    def close(self) -> None:
        """Let go of devices and files; may be called twice, and while another thread is blocked in `read`."""
        self.closed = True

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self: SourceT) -> SourceT:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
