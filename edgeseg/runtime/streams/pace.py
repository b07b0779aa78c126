"""Decide which frames of a live source are worth decoding: those that the caller will be back for."""

from __future__ import annotations

from edgeseg.runtime.status import DropCause

SKIP_MARGIN_FRAMES = 2  # decoded before the caller is expected back: the last of them is the one it gets


class Pace:
    """When the caller is expected back, against when frames come. Not thread-safe: its feed holds a lock.

    A caller that waits for frames is expected to stay away as long as last time; any may say when it comes.

    """

    def __init__(self) -> None:
        self._cause = DropCause.BUSY
        self._gave_s: float | None = None  # when the caller last got a frame; None while it waits for one
        self._busy_s = 0.0  # how long it last stayed away
        self._expected_s: float | None = None
        self._came_s: float | None = None  # when the last frame was about to be read
        self._interval_s = 0.0  # between frames

    def wait(self, now_s: float) -> None:
        """The caller waits for a frame from now on."""
        if self._gave_s is not None:
            self._busy_s = now_s - self._gave_s
        self._gave_s = self._expected_s = None
        self._cause = DropCause.BUSY

    def give(self, now_s: float) -> None:
        """The caller that waited has got a frame."""
        self._gave_s = now_s
        self._expected_s = now_s + self._busy_s

    def expect(self, at_s: float | None, cause: DropCause) -> None:
        """The caller says when it will come, and why not before; None for at any time."""
        self._expected_s, self._cause = at_s, cause

    def cause(self, now_s: float) -> DropCause:
        """Say why a frame that came by now is dropped."""
        is_due = self._expected_s is None or now_s >= self._expected_s
        return DropCause.BUSY if is_due else self._cause

    def wants(self, now_s: float) -> bool:
        """Tell whether the frame that is about to be read should be decoded."""
        if self._came_s is not None:
            self._interval_s = now_s - self._came_s
        self._came_s = now_s
        return self._expected_s is None or now_s + SKIP_MARGIN_FRAMES * self._interval_s >= self._expected_s
