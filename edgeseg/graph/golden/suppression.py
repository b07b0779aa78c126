"""Check a ranking, or what suppression kept, for faults and ties, without doing either again.

Another suppression would decide every tie anew, and with it everything after. But what greedy suppression
keeps is the one set in which a box is missing exactly if a better one of the set overlaps it, so each box can
be checked by itself. Likewise the best K of many are those of which none is worse than one that is not taken.
Decisions within rounding hold either way.

Rounding. u = 2**-24 is the unit roundoff of float32. Moving an anchor takes some ten roundings and an
exponential that libraries compute to a few units in the last place, an intersection over union eight, a
sigmoid or a softmax as many; ROUNDINGS = 32 of them, 1.9e-6, bound all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNIT_ROUNDOFF = 2.0**-24
ROUNDINGS = 32
ROUNDING = ROUNDINGS * UNIT_ROUNDOFF  # relative


@dataclass(frozen=True)
class Suppressed:
    """Boxes that went through suppression, best first.

    Attributes:
        boxes: (K, 4) xyxy.
        scores: (K,); <= 0 is padding.
        keep: (K,) bool, what is checked.
        groups: (K,) int; boxes of different groups do not compete.
        threshold: overlap above which the worse of two boxes goes.
    """

    boxes: Floats
    scores: NDArray[Any]
    keep: NDArray[np.bool_]
    groups: Ints
    threshold: float

    @cached_property
    def better_overlap(self) -> Floats:
        """Intersection over union of each box with each one before it in its group; 0 elsewhere: (K, K)."""
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
        intersection = sides.clip(min=0).prod(axis=2)
        area = (high - low).prod(axis=1)
        union = area[:, None] + area[None] - intersection
        iou: Floats = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
        competes = (
            (self.groups[:, None] == self.groups[None]) & (self.scores > 0)[:, None] & (self.scores > 0)
        )
        return np.tril(np.where(competes, iou, 0.0), -1)

    def wrong(self) -> int:
        """Count the boxes about which the others that are kept demand something else."""
        valid, kept = self.scores > 0, self.keep.astype(np.bool_)
        by_kept = self.better_overlap[:, kept]
        surely = (by_kept > self.threshold + ROUNDING).any(axis=1)
        perhaps = (by_kept > self.threshold - ROUNDING).any(axis=1)
        return int(((kept & (surely | ~valid)) | (valid & ~kept & ~perhaps)).sum())

    def overlap_ties(self, delta_error: float) -> int:
        """Count pairs whose overlap is at the threshold.

        A side that is off by d of its length, as a delta that is off by d moves it, changes an intersection
        over union by at most 4 d at each of the two boxes.
        """
        doubt = 8 * delta_error + ROUNDING
        return int((np.abs(self.better_overlap - self.threshold) <= doubt).sum())

    def rank_ties(self, ranks: Floats, error: float) -> int:
        """Count pairs of which one suppresses the other, but either may be the better one; `ranks` (K,)."""
        near = np.abs(ranks[:, None] - ranks[None]) <= 2 * error + ROUNDING * np.abs(ranks).max(initial=0)
        return int(((self.better_overlap > self.threshold) & near).sum())


def ranking_fault(values: NDArray[Any], index: Ints, count: int, slack: float = 0.0) -> str:
    """Say why `index` are not the best `count` of `values`, best first; nothing if they are.

    Args:
        slack: absolute, on top of rounding.
    """
    wanted = min(count, len(values))
    if len(index) != wanted:
        return f"are {len(index)}, not {wanted}"
    if len(np.unique(index)) != wanted or index.min(initial=0) < 0 or index.max(initial=0) >= len(values):
        return "name one twice, or one that is none"
    chosen, left_out = values[index].astype(np.float64), np.delete(values, index)
    slack += ROUNDING * float(np.abs(chosen).max(initial=0))
    if (chosen[1:] > chosen[:-1] + slack).any():
        return "are not in order"
    if len(left_out) and left_out.max() > chosen[-1] + slack:
        return f"leave out a better one: {left_out.max():.6g} for {chosen[-1]:.6g}"
    return ""


def cut_ties(values: NDArray[Any], index: Ints, error: float) -> int:
    """Count what was left out although it is as good as the last that was chosen, within the errors of both.

    Values of 0 are padding, which ties with nothing.
    """
    left_out = np.delete(values, index)
    if not len(index) or not len(left_out) or (last := float(values[index].min())) == 0:
        return 0
    return int(((left_out >= last - 2 * error - ROUNDING * abs(last)) & (left_out != 0)).sum())
