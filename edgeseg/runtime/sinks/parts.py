"""Write one output as a row of files: by time, by size, and anew after a failure; and remove the oldest."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.files import Claim
from edgeseg.frames.results import Result
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.amounts import Amount
from edgeseg.runtime.sinks.base import Sink

LOOK_S = 5.0  # how often it is looked for what is too old or too much
MOST_NOTES = 20


class PartsSink(Sink):
    """An output in parts: `out-20261125T220000Z.mp4` and so on, by the time in UTC at which each begins.

    Each part is a file of its own, whole as soon as the next one begins. Where writing one fails it is closed
    as it is, and the next result begins another. Without `rotate` the first part is the path itself, unless
    it is to lie beside it.

    Args:
        open_part: opens the sink of one part.
        rotate: how much a part holds; by the media time of recordings, else by capture time. None: all.
        keep: how much is kept of all parts of this output, those of runs before included; None: all. Files
            whose names are no parts' stay.
        needs_overlay: of the parts.
        beside: what is at the path itself stays: the first part has a name of its own, too.
        spared: files that are read, and not removed.

    Raises:
        SinkError: if the parts cannot be written there, or another run writes them.
    """

    def __init__(
        self,
        path: Path,
        open_part: Callable[[Path], Sink],
        *,
        rotate: Amount | None = None,
        keep: Amount | None = None,
        live: bool = True,
        needs_overlay: bool = False,
        spared: Collection[Path] = (),
        beside: bool = False,
    ) -> None:
        self.path = path
        self.needs_overlay = needs_overlay
        self.lost = 0
        self.notes: list[str] = []
        self._open_part = open_part
        self._rotate = rotate
        self._keep = keep
        self._live = live
        self._spared = frozenset(path.resolve() for path in spared)
        self._begun_s = 0.0  # the current part, on the clock of the frames
        self._look_at_s = 0.0
        self._last = ("", 0)  # stamp and number of the last part
        self._claim = None if rotate is None else Claim(path)
        self._part: Sink | None = None if rotate is not None or beside else open_part(path)
        self._is_begun = False  # something was written to the current part

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None = None) -> None:
        """Write one result to the part that it belongs to; see `Sink.write`."""
        now_s = frame.time_s if self._live or frame.media_s is None else frame.media_s
        if self._is_begun and self._part is not None and self._is_full(self._part, now_s):
            self._end_part()
        if self._part is None:
            self._part = self._open_part(self._new_path())
        if not self._is_begun:
            self._begun_s, self._is_begun = now_s, True
        try:
            self._part.write(frame, result, overlay)
        except Exception:
            with suppress(Exception):  # of both errors the first says more
                self._end_part()
            raise
        if self._keep is not None and time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + LOOK_S
            remove_oldest(self.path, self._keep, current=self._part.path, spared=self._spared)

    def close(self) -> None:
        """Close the last part."""
        try:
            self._end_part()
        finally:
            if self._claim is not None:
                self._claim.release()

    def _is_full(self, part: Sink, now_s: float) -> bool:
        if self._rotate is None:
            return False
        seconds, size_bytes = self._rotate.seconds, self._rotate.size_bytes
        if seconds is not None and not 0 <= now_s - self._begun_s < seconds:  # also: a clock that went back
            return True
        return size_bytes is not None and _size(part.path) >= size_bytes

    def _end_part(self) -> None:
        part, self._part, self._is_begun = self._part, None, False
        self._look_at_s = 0.0
        if part is None:
            return
        try:
            part.close()
        finally:
            self.lost += part.lost
            self.notes = _merged(self.notes, part.notes)

    def _new_path(self) -> Path:
        """Name the next part, so that it sorts behind all before, even if the clock was set back."""
        stamp = max(datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"), self._last[0])
        number = self._last[1] + 1 if stamp == self._last[0] else 1
        while True:
            self._last = stamp, number
            suffix = "" if number == 1 else f"-{number}"
            path = self.path.with_name(f"{self.path.stem}-{stamp}{suffix}{self.path.suffix}")
            if not path.exists():
                return path
            number += 1


def remove_oldest(path: Path, keep: Amount, *, current: Path, spared: Collection[Path] = ()) -> None:
    """Remove the oldest parts of an output until what is left is no older and no more than `keep`.

    Args:
        path: of the output, from which the names of its parts are made.
        current: the part that is written: it counts, and stays.
        spared: files that stay as well and do not count; resolved.
    """
    folder = path.parent.resolve()
    stay = {*spared, folder / current.name}
    parts = [part for part in parts_of(path) if folder / part.name not in stay]
    total = _size(current) + sum(_size(part) for part in parts)
    oldest_s = -float("inf") if keep.seconds is None else time.time() - keep.seconds
    for part in parts:
        too_much = keep.size_bytes is not None and total > keep.size_bytes
        with suppress(OSError):  # somebody else removed it, or may and we may not
            if too_much or part.stat().st_mtime < oldest_s:
                total -= _size(part)
                part.unlink()


def parts_of(path: Path) -> list[Path]:
    """List the parts of an output, the oldest first; links are none."""
    name = re.compile(rf"{re.escape(path.stem)}-(\d{{8}}T\d{{6}}Z)(?:-(\d+))?{re.escape(path.suffix)}")
    try:
        files = [one for one in path.parent.iterdir() if one.is_file() and not one.is_symlink()]
    except OSError:  # the folder is gone
        return []
    matches = [(match, one) for one in files if (match := name.fullmatch(one.name))]
    return [one for _, one in sorted(matches, key=lambda found: (found[0][1], int(found[0][2] or 1)))]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # not there yet
        return 0


def _merged(notes: list[str], more: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*notes, *more]))[-MOST_NOTES:]
