"""Measure how well the tracks of a video stay with its objects: identity switches and IDF1.

A switch is that of CLEAR MOT (Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance",
2008): an object that is on another track than when it was last found. IDF1 (Ristani et al., "Performance
measures and a data set for multi-target, multi-camera tracking", 2016) gives each object at most one track,
as well as can be, and is the F1-score of the detections that this explains.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from edgeseg.metrics.assignment import largest_sum

MATCH_IOU = 0.5  # of an object and what was found of it


class IdentityErrors:
    """Counts of one video, frame after frame.

    Attributes:
        switches: objects that are on another track than when they were last found.
        tracks: that any object was on.
    """

    def __init__(self) -> None:
        self.switches = 0
        self._track_of: dict[int, int] = {}  # of each object, when last found
        self._together: Counter[tuple[int, int]] = Counter()  # frames of object and track
        self._true = self._found = 0  # objects in all frames

    @property
    def tracks(self) -> int:
        """How many tracks objects were on; at best as many as there are objects."""
        return len({track for _, track in self._together})

    @property
    def idf1(self) -> float:
        """F1-score of detections on the one track of their object, 0..1; 1 where there is nothing."""
        objects, tracks = (sorted({pair[side] for pair in self._together}) for side in (0, 1))
        frames = np.array([[self._together[one, track] for track in tracks] for one in objects], np.float64)
        explained = frames[tuple(largest_sum(frames).T)].sum() if objects else 0.0
        total = self._true + self._found
        return float(2 * explained / total) if total else 1.0

    def add(
        self,
        identities: NDArray[np.int64],
        track_ids: NDArray[np.int64],
        iou: NDArray[np.floating],
        *,
        ignored: NDArray[np.bool_] | None = None,
    ) -> None:
        """Count one frame.

        Args:
            identities: (K,) of the true objects, the same in all frames.
            track_ids: (D,) of what was found; what is on no track is left out.
            iou: (K, D) of their masks, 0 where classes differ.
            ignored: (K,) objects that count neither way, nor does what is found of them.
        """
        same = iou >= MATCH_IOU
        if ignored is not None:
            counts = ~same[ignored].any(axis=0)
            identities, track_ids = identities[~ignored], track_ids[counts]
            iou, same = iou[~ignored][:, counts], same[~ignored][:, counts]
        self._true += len(identities)
        self._found += len(track_ids)
        for object_index, track_index in np.argwhere(same):
            self._together[int(identities[object_index]), int(track_ids[track_index])] += 1
        for identity, row in zip(identities.tolist(), iou, strict=True):
            if row.max(initial=0.0) >= MATCH_IOU:
                track = int(track_ids[row.argmax()])
                self.switches += self._track_of.get(identity, track) != track
                self._track_of[identity] = track
