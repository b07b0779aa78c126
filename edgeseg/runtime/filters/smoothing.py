"""Steady semantic labels over time where the picture does not move."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.frames.results import Result, SemanticResult
from edgeseg.opencv import cv2
from edgeseg.runtime.filters.elapsed import Elapsed
from edgeseg.runtime.filters.motion import Motion
from edgeseg.runtime.frame import Frame

MOST_VOTES = 6  # so many frames in a row that say otherwise change the best settled label
CUT = 0.7  # share of the picture that moves when it is another one
LONGEST_GAP_S = 5.0  # between two frames that have to do with each other

T = TypeVar("T", bound=np.generic)


class LabelSmoothing:
    """Let a label change at once where the picture moves, and elsewhere by a vote over frames.

    A pixel's label gains a vote, up to MOST_VOTES, with each frame that confirms it and loses one with each
    that does not; without a vote left the frame's label takes its place, with one. (A majority vote as that
    of Boyer and Moore, "MJRTY: a fast majority vote algorithm", 1981, that forgets.) Where the picture moved,
    see `Motion`, the frame's label counts at once and begins with one vote. After a cut, a gap of
    LONGEST_GAP_S or a change of size everything begins anew.

    Where a label is held back, so are confidence and masks of its pixel.

    Where a label is held back, so are confidence and masks of its pixel. Beside the votes, a byte a pixel, it
    holds the last result.
    """

    def __init__(self) -> None:
        self._elapsed = Elapsed()
        self._motion = Motion()
        self._votes: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)  # (H, W), 1 to MOST_VOTES
        self._before: SemanticResult | None = None

    def __call__(self, frame: Frame, result: Result, /) -> SemanticResult:
        """Steady one frame's labels; see `Filter`."""
        if not isinstance(result, SemanticResult):
            raise UsageError("smoothing takes semantic labels, got instances; a Tracker follows those")
        gap_s, moved = self._elapsed(frame), self._motion(frame.image)
        before = self._before
        if before is None or before.frame_hw != result.frame_hw or gap_s > LONGEST_GAP_S or _is_cut(moved):
            self._votes = np.ones(result.frame_hw, np.uint8)
            self._before = result
        else:
            self._before = self._vote(before, result, moved)
        return self._before

    def _vote(
        self, before: SemanticResult, result: SemanticResult, moved: NDArray[np.uint8]
    ) -> SemanticResult:
        """Count one frame's votes, and take its labels where they win."""
        votes = self._votes
        differs = result.labels != before.labels
        votes += 1
        votes -= 2 * differs.view(np.uint8)
        np.minimum(votes, MOST_VOTES, out=votes)
        height, width = result.frame_hw
        moved_px = cv2.resize(moved, (width, height), interpolation=cv2.INTER_NEAREST)
        votes[moved_px > 0] = 0
        held = differs & (votes > 0)
        np.maximum(votes, 1, out=votes)
        return SemanticResult(
            np.where(held, before.labels, result.labels),
            _hold(held, before.confidence, result.confidence),
            _hold(held, before.masks, result.masks),
        )


def _is_cut(moved: NDArray[np.uint8]) -> bool:
    return cv2.countNonZero(moved) > CUT * moved.size


def _hold(held: NDArray[np.bool_], before: NDArray[T] | None, now: NDArray[T] | None) -> NDArray[T] | None:
    """Keep what was at pixels (H, W) of arrays (..., H, W)."""
    return now if before is None or now is None else np.where(held, before, now)
