"""Give instances ids that stay from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.frames.results import NO_TRACK, InstanceResult, MaskCrop, Result
from edgeseg.runtime.filters.association import NONE, match, similarity
from edgeseg.runtime.filters.elapsed import Elapsed
from edgeseg.runtime.filters.kalman import BoxFilter
from edgeseg.runtime.frame import Frame

SURE = 0.8  # score from which an object has an id at once
LIKELY = 0.5  # score from which an object begins a track, which has an id once it is found again
LEAST_FIT = 0.04  # of what was predicted and a likely object, see `similarity`: found by measurement
LEAST_FIT_UNLIKELY = 0.25  # and one that is not likely: it may go on with a track, and begins none
LOST_S = 2.0  # so long a track waits for its object
MOST_TRACKS = 300  # those unseen for longest go

_NO_MASK = MaskCrop(0, 0, np.zeros((0, 0), np.bool_))


@dataclass
class _Track:
    """One object; `crop` and `centre` (x, y in pixels) are as it was last seen."""

    class_id: int
    crop: MaskCrop = _NO_MASK
    centre: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    id: int = NO_TRACK  # until it has proved itself
    unseen_s: float = 0.0
    seen: bool = False  # in this frame
    times_seen: int = 0


class Tracker:
    """Follow instances from frame to frame.

    A track predicts its object's box by a Kalman filter, see `BoxFilter`, and moves its last mask along. Each
    object found goes to the track of its class that it fits best, see `similarity`, in two stages, as in
    ByteTrack (Zhang et al., "ByteTrack: Multi-object tracking by associating every detection box", 2022):
    first the likely ones, then the others, which may go on with a track but begin none. A track without its
    object for LOST_S ends; one found only once, by a score below SURE, ends with the next frame. After a
    change of the frames' size all begin anew; ids are not used twice.

    Scores below the engine's threshold never come here: with a lower `--score-threshold` objects that are
    hard to see are followed for longer.
    """

    def __init__(self) -> None:
        self._elapsed = Elapsed()
        self._tracks: list[_Track] = []
        self._boxes = BoxFilter()  # of the tracks
        self._next_id = 1
        self._frame_hw = (0, 0)

    def __call__(self, frame: Frame, result: Result, /) -> InstanceResult:
        """Fill in `track_ids`; see `Filter`."""
        if not isinstance(result, InstanceResult):
            raise UsageError("tracking takes instances, got semantic labels; LabelSmoothing steadies those")
        if result.frame_hw != self._frame_hw:
            self._keep([])
            self._frame_hw = result.frame_hw
        self._wait(self._elapsed(frame))
        order = np.lexsort((*result.boxes.T, -result.scores))  # the order of the result must not count
        track_ids = np.full(len(result), NO_TRACK, np.int64)
        track_ids[order] = self._follow(result.select(order))
        return replace(result, track_ids=track_ids)

    def _keep(self, which: list[int]) -> None:
        self._tracks = [self._tracks[index] for index in which]
        self._boxes.keep(np.array(which, np.intp))

    def _wait(self, dt_s: float) -> None:
        """Let time pass."""
        for track in self._tracks:
            track.unseen_s += dt_s
            track.seen = False
        self._keep([i for i, track in enumerate(self._tracks) if track.unseen_s <= LOST_S])
        self._boxes.predict(dt_s)

    def _follow(self, found: InstanceResult) -> NDArray[np.int64]:
        """Take D objects as found, and give the id of each, (D,)."""
        owners = self._match(found)
        known = np.flatnonzero(owners != NONE)
        begun = np.flatnonzero((owners == NONE) & (found.scores >= LIKELY))
        self._boxes.correct(owners[known], found.boxes[known])
        self._boxes.add(found.boxes[begun])
        ids = np.full(len(found), NO_TRACK, np.int64)
        for index in known.tolist():
            ids[index] = self._see(self._tracks[owners[index]], found, index)
        for index in begun.tolist():
            self._tracks.append(_Track(int(found.class_ids[index])))
            ids[index] = self._see(self._tracks[-1], found, index)
        self._end()
        return ids

    def _match(self, found: InstanceResult) -> NDArray[np.intp]:
        """Give each object a track, (D,); see `match`."""
        boxes = self._boxes.boxes
        seen_at = np.array([track.centre for track in self._tracks]).reshape(-1, 2)
        fit = similarity(
            boxes,
            np.array([track.class_id for track in self._tracks], np.int64),
            [track.crop for track in self._tracks],
            np.rint(_centres(boxes) - seen_at).astype(np.intp),
            found,
        )
        likely = found.scores >= LIKELY
        return match(fit, [(likely, LEAST_FIT), (~likely, LEAST_FIT_UNLIKELY)])

    def _see(self, track: _Track, found: InstanceResult, index: int) -> int:
        """Note that a track's object is there; give its id."""
        if track.id == NO_TRACK and (track.times_seen or found.scores[index] >= SURE):
            track.id = self._next_id
            self._next_id += 1
        track.crop, track.centre = found.crops()[index], _centres(found.boxes[index])
        track.unseen_s, track.seen, track.times_seen = 0.0, True, track.times_seen + 1
        return track.id

    def _end(self) -> None:
        """Drop what was found once by chance, and what is too much."""
        kept = [i for i, track in enumerate(self._tracks) if track.seen or track.id != NO_TRACK]
        if len(kept) > MOST_TRACKS:
            kept = sorted(sorted(kept, key=lambda i: self._tracks[i].unseen_s)[:MOST_TRACKS])
        self._keep(kept)


def _centres(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the centres (..., 2), x and y, of boxes (..., 4) xyxy."""
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2, np.float64)
