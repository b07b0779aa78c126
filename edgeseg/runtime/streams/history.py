"""Keep what happened to a source: its states, its outages, and what became of its frames."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from edgeseg.runtime.frame import Frame
from edgeseg.runtime.status import DropCause, SourceState, SourceStatus

CLOCK_JUMP_S = 10.0  # that a source's own clock may gain on ours between two frames
MOST_CHANGES = 64  # of state, not yet told
MOST_NOTES = 20  # of sources that were opened one after another


class History:
    """What happened to one source, however often it was opened. Not thread-safe: its feed holds a lock.

    Attributes:
        address: what the source is, without passwords.
        changes: the status at each change of state that nobody was told of yet, the oldest first.
        frames: how many came.
    """

    def __init__(self, address: str, now_s: float) -> None:
        self.address = address
        self.changes: deque[SourceStatus] = deque(maxlen=MOST_CHANGES)
        self.frames = 0
        self._offered = 0
        self._drops: Counter[DropCause] = Counter()
        self._state, self._since_s = SourceState.CONNECTING, now_s
        self._detail = ""
        self._next_attempt_s: float | None = None
        self._is_down = False
        self._outages = self._recoveries = 0
        self._longest_outage_s = 0.0
        self._last_s = 0.0  # when the last frame came, and its time on the source's own clock
        self._last_media_s: float | None = None
        self._frame_hw: tuple[int, int] | None = None
        self._sizes = self._jumps = 0
        self._own_notes: dict[str, str] = {}
        self._notes: dict[str, None] = {}  # the sources' own, in order

    def enter(
        self, state: SourceState, now_s: float, detail: str = "", next_attempt_s: float | None = None
    ) -> None:
        """Come into a state; nothing changes where it is the same for the same reason."""
        if (state, detail, next_attempt_s) == (self._state, self._detail, self._next_attempt_s):
            return
        if state is not self._state:
            self._state, self._since_s = state, now_s
        self._detail, self._next_attempt_s = detail, next_attempt_s
        self.changes.append(self.status(now_s))

    def go_down(self) -> None:
        """An outage begins, unless one lasts, or no frame has come yet."""
        if self.frames and not self._is_down:
            self._is_down = True
            self._outages += 1

    def offer(self, count: int = 1) -> None:
        """Count frames that the source gave, or that are known to be missing."""
        self._offered += count

    def drop(self, cause: DropCause, count: int = 1) -> None:
        """Count frames that will have no result."""
        self._drops[cause] += count

    def note(self, lines: Sequence[str]) -> None:
        """Take over what a source notes."""
        for line in lines:
            if len(self._notes) < MOST_NOTES:
                self._notes.setdefault(line)

    def come(self, frame: Frame, now_s: float, *, goes_on: bool) -> None:
        """Take note of a frame; it goes on the one before unless the source was opened in between."""
        if self._is_down:
            self._is_down = False
            self._recoveries += 1
            self._longest_outage_s = max(self._longest_outage_s, now_s - self._last_s)
        if goes_on:
            self._compare_clocks(frame, now_s)
        self._compare_sizes(frame)
        self.frames += 1
        self._last_s, self._last_media_s = now_s, frame.media_s

    def status(self, now_s: float, waiting: int = 0) -> SourceStatus:
        """Say how it is doing, and how many of its frames wait."""
        lasts_s = now_s - self._last_s if self._is_down else 0.0
        return SourceStatus(
            address=self.address,
            state=self._state,
            detail=self._detail,
            since_s=self._since_s,
            next_attempt_s=self._next_attempt_s,
            frame_hw=self._frame_hw,
            offered=self._offered,
            waiting=waiting,
            drops={cause: count for cause, count in self._drops.items() if count},
            outages=self._outages,
            recoveries=self._recoveries,
            longest_outage_s=max(self._longest_outage_s, lasts_s),
            notes=(*self._notes, *self._own_notes.values()),
        )

    def _compare_clocks(self, frame: Frame, now_s: float) -> None:
        if frame.media_s is None or self._last_media_s is None:
            return
        gained_s = frame.media_s - self._last_media_s
        if gained_s < 0 or gained_s - (now_s - self._last_s) > CLOCK_JUMP_S:
            self._jumps += 1
            self._own_notes["clock"] = (
                f"the clock of {self.address} jumped{_often(self._jumps)}, last by {gained_s:+.2f} s "
                f"at frame {frame.index}"
            )

    def _compare_sizes(self, frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        if self._frame_hw is not None and self._frame_hw != (height, width):
            self._sizes += 1
            was_height, was_width = self._frame_hw
            self._own_notes["size"] = (
                f"the frames of {self.address} changed their size{_often(self._sizes)}, last from "
                f"{was_width}x{was_height} to {width}x{height} at frame {frame.index}"
            )
        self._frame_hw = (height, width)


def _often(count: int) -> str:
    return f" {count} times" if count > 1 else ""
