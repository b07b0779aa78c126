"""Measure how well tracks stay with objects, and against plainer ways: one table, several synthetic videos.

Detections are the true masks of moving objects, disturbed: edges and boxes by a pixel or so, scores by
chance, some objects found twice, some not for a while, some where nothing is (see `benchmarks._detections`).
Each case loses more: detections, or frames, as a live stream does. Of an engine its own are tracked as well.

`ours` is `Tracker`. `no motion`: objects are looked for where they were last seen. `plain` does not predict
either, and pairs objects by the IoU of their boxes, of at least 0.3. `best sum` is ours, with the pairs whose
fits have the largest sum instead of the best pair first. Each column is switches / tracks / IDF1, of all
videos; see `edgeseg.metrics.identity`.

    python -m benchmarks.tracking [--seeds N] [--frames N] [--engine FOLDER]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks._detections import CROWDING, FPS, Case, Seen, true_iou, video
from edgeseg.frames.results import NO_TRACK, InstanceResult, MaskCrop
from edgeseg.metrics.assignment import largest_sum
from edgeseg.metrics.identity import IdentityErrors
from edgeseg.runtime.filters import Tracker, kalman, tracking
from edgeseg.runtime.filters.overlap import box_iou
from edgeseg.runtime.frame import Frame
from edgeseg.scenes.scene import animate

CASES = (
    Case("all frames"),
    Case("20 % missed", missed=0.2),
    Case("gaps to 4", gap=4),
    Case("gaps to 10", gap=10),
    Case("gaps to 20", gap=20),
    Case("to 10, missed", missed=0.2, gap=10),
    Case("one class", one_class=True),
    Case("one, to 10", gap=10, one_class=True),
    Case("one, to 20", gap=20, one_class=True),
)
PLAIN_IOU = 0.3  # SORT's


@dataclass
class Figures:
    """Of one way in one case."""

    switches: int = 0
    tracks: int = 0
    idf1: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.switches:5} {self.tracks:5} {statistics.mean(self.idf1):6.3f}"


class Still(kalman.BoxFilter):
    """Takes objects to stay where they were last seen."""

    def predict(self, dt_s: float) -> None:
        """Move nothing."""

    def correct(self, which: NDArray[np.intp], boxes: NDArray[np.float32]) -> None:
        """Take what was measured."""
        one = kalman.BoxFilter()
        one.add(boxes)
        self.state[which] = one.state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--engine", type=Path, help="of instances, such as demo-output/maskrcnn-engine")
    arguments = parser.parse_args()
    ways: dict[str, Callable[[ExitStack], None]] = {
        "ours": lambda _: None,
        "no motion": _without_motion,
        "plain": _plain,
        "best sum": _best_sum,
    }
    print(f"{'':14} {'ms':>5} " + " ".join(f"{name:>18}" for name in ways))
    for case in CASES:
        videos = [list(video(case, seed, arguments.frames)) for seed in range(arguments.seeds)]
        report(case.name, videos, ways)
    if arguments.engine is not None:
        videos = [engine_video(arguments.engine, seed, arguments.frames) for seed in range(arguments.seeds)]
        report("engine", videos, ways)
        report("engine, 1 in 6", [seen[::6] for seen in videos], ways)


def report(name: str, videos: Sequence[Sequence[Seen]], ways: dict[str, Callable[[ExitStack], None]]) -> None:
    """Print one row."""
    found = {}
    for way, change in ways.items():
        with ExitStack() as stack:
            change(stack)
            found[way] = follow(videos)
    print(f"{name:14} {statistics.median(found['ours'].ms):5.2f} " + " ".join(map(str, found.values())))


def follow(videos: Sequence[Sequence[Seen]]) -> Figures:
    """Track the objects of all videos."""
    figures = Figures()
    for seen in videos:
        tracker, errors = Tracker(), IdentityErrors()
        for frame, found, scene, iou in seen:
            start = time.perf_counter()
            track_ids = tracker(frame, found).track_ids
            figures.ms.append((time.perf_counter() - start) * 1e3)
            assert track_ids is not None
            on_track = track_ids != NO_TRACK
            errors.add(scene.identities, track_ids[on_track], iou[:, on_track], ignored=scene.ignored)
        figures.switches += errors.switches
        figures.tracks += errors.tracks
        figures.idf1.append(errors.idf1)
    return figures


def engine_video(engine: Path, seed: int, frames: int) -> list[Seen]:
    """Find the objects of a video by an engine."""
    from edgeseg.runtime import Segmenter

    seen = []
    with Segmenter.open(engine, score_threshold=0.1) as segment:
        for index, scene in enumerate(itertools.islice(animate(seed, crowding=CROWDING), frames)):
            found = segment(scene.image)
            assert isinstance(found, InstanceResult)
            frame = Frame(scene.image, index, index / FPS, media_s=index / FPS)
            seen.append(Seen(frame, found, scene, true_iou(scene, found)))
    return seen


def _without_motion(stack: ExitStack) -> None:
    stack.enter_context(patch.object(tracking, "BoxFilter", Still))


def _plain(stack: ExitStack) -> None:
    _without_motion(stack)
    stack.enter_context(patch.object(tracking, "similarity", _by_boxes))
    for name in ("LEAST_FIT", "LEAST_FIT_UNLIKELY"):
        stack.enter_context(patch.object(tracking, name, PLAIN_IOU))


def _by_boxes(
    boxes: NDArray[np.float64],
    class_ids: NDArray[np.int64],
    crops: Sequence[MaskCrop],
    shifts: NDArray[np.intp],
    found: InstanceResult,
) -> NDArray[np.float64]:
    return box_iou(boxes, found.boxes) * (class_ids[:, None] == found.class_ids)


def _best_sum(stack: ExitStack) -> None:
    stack.enter_context(patch.object(tracking, "match", _match_by_sum))


def _match_by_sum(
    fit: NDArray[np.float64], stages: Sequence[tuple[NDArray[np.bool_], float]]
) -> NDArray[np.intp]:
    tracks = np.full(fit.shape[1], -1, np.intp)
    free = np.ones(len(fit), np.bool_)
    for which, least in stages:
        gains = np.where(free[:, None] & which & (fit >= least), fit, 0.0)
        for track, index in largest_sum(gains):
            if gains[track, index] > 0:
                tracks[index], free[track] = track, False
    return tracks


if __name__ == "__main__":
    main()
