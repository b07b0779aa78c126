"""Measure what temporal smoothing does to flicker and to boundaries: one table, several synthetic videos.

Of each video half of the objects rest and half move, or all move, before a noisy camera. The labels are the
true ones, disturbed anew in each frame along boundaries and in blobs, and those of engines.

`flicker` is the share of pixels whose label changes though the true one does not; `still` is the same where
nothing moved: away from every object that did, by STILL_PX and more. `F` is the boundary F against the truth,
`mIoU` likewise. Each column is before -> after; `ms` is the median time of a frame, beside that of a frame of
640x480 on its own line.

    python -m benchmarks.smoothing [--seeds N] [--frames N] [--engine FOLDER]...
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import SemanticResult
from edgeseg.metrics.boundary import boundary_counts, mean_boundary_f
from edgeseg.metrics.confusion import confusion_matrix, mean_iou
from edgeseg.metrics.flicker import flicker, flicker_counts
from edgeseg.runtime.filters import LabelSmoothing
from edgeseg.runtime.frame import Frame
from edgeseg.scenes.scene import CLASS_NAMES, DEFAULT_SIZE_HW, Scene, animate
from edgeseg.spec import VOID_LABEL

CLASSES = len(CLASS_NAMES)
FPS = 30.0
STILL_PX = 12  # from an object that moves: blur, shadow, and what a network sees around it
SOFT_PX, DOUBT_PX = 1.5, 6  # width of true boundaries, and of the blobs that disturb them
LARGE_HW = (480, 640)

Labels = NDArray[np.uint8]
Predict = Callable[[Scene, np.random.Generator], Labels]


@dataclass
class Figures:
    """Of one way over all videos."""

    all_pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    still_pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    edges: NDArray[np.int64] = field(default_factory=lambda: np.zeros((CLASSES, 2, 2), np.int64))
    confusion: NDArray[np.int64] = field(default_factory=lambda: np.zeros((CLASSES, CLASSES + 1), np.int64))
    before: tuple[Scene, Labels] | None = None

    def add(self, scene: Scene, labels: Labels) -> None:
        """Count one frame, with the one before it."""
        self.edges += boundary_counts(scene.labels, labels, CLASSES)
        self.confusion += confusion_matrix(scene.labels, labels, CLASSES)
        if self.before is not None:
            earlier, earlier_labels = self.before
            pair = (earlier_labels, labels)
            self.all_pixels += flicker_counts((earlier.labels, scene.labels), pair)
            still = np.where(moved(earlier, scene), np.uint8(VOID_LABEL), scene.labels)
            self.still_pixels += flicker_counts((earlier.labels, still), pair)
        self.before = scene, labels

    @property
    def values(self) -> tuple[float, float, float, float]:
        """Per mille of all and of still pixels, boundary F and mIoU in percent."""
        return (
            1e3 * flicker(self.all_pixels),
            1e3 * flicker(self.still_pixels),
            100 * mean_boundary_f(self.edges, self.confusion.sum(axis=1)),
            100 * mean_iou(self.confusion),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--engine", type=Path, action="append", default=[], help="semantic; may repeat")
    arguments = parser.parse_args()
    ways: dict[str, Predict] = {"mild": disturbed(0.2), "strong": disturbed(0.3)}
    for engine in arguments.engine:
        ways[engine.name] = by_engine(engine)
    titles = ("flicker, 1/1000", "still, 1/1000", "F, %", "mIoU, %")
    print(f"{'labels':16} {'rest':>5} {'ms':>5} " + " ".join(f"{title:>16}" for title in titles))
    for name, predict in ways.items():
        for resting in (0.5, 0.0):
            report(name, predict, resting, arguments.seeds, arguments.frames)
    print(f"a frame of 640x480: {statistics.median(times_ms(LARGE_HW)):.2f} ms")


def report(name: str, predict: Predict, resting: float, seeds: int, frames: int) -> None:
    """Print one row."""
    raw, steady = Figures(), Figures()
    ms: list[float] = []
    for seed in range(seeds):
        raw.before = steady.before = None
        for scene, labels, smoothed, spent_ms in smoothed_video(predict, seed, frames, resting):
            raw.add(scene, labels)
            steady.add(scene, smoothed)
            ms.append(spent_ms)
    columns = (f"{a:7.2f} ->{b:7.2f}" for a, b in zip(raw.values, steady.values, strict=True))
    print(f"{name:16} {resting:5.1f} {statistics.median(ms):5.2f} " + " ".join(columns))


def smoothed_video(
    predict: Predict,
    seed: int,
    frames: int,
    resting: float,
    size_hw: tuple[int, int] = DEFAULT_SIZE_HW,
) -> Iterator[tuple[Scene, Labels, Labels, float]]:
    """Give scenes, their labels before and after, and the milliseconds that took."""
    rng, smooth = np.random.default_rng(seed), LabelSmoothing()
    for index, scene in enumerate(itertools.islice(animate(seed, size_hw, resting=resting), frames)):
        labels = predict(scene, rng)
        frame = Frame(scene.image, index, index / FPS, media_s=index / FPS)
        start = time.perf_counter()
        smoothed = smooth(frame, SemanticResult(labels)).labels
        yield scene, labels, smoothed, (time.perf_counter() - start) * 1e3


def moved(earlier: Scene, later: Scene) -> NDArray[np.bool_]:
    """Mark the pixels (H, W) near an object that is not in the same place in both, or only in one."""
    places = [
        {i: tuple(box) for i, box in zip(scene.identities.tolist(), scene.boxes.tolist(), strict=True)}
        for scene in (earlier, later)
    ]
    near = np.zeros(later.labels.shape, np.uint8)
    for scene, other in ((earlier, places[1]), (later, places[0])):
        for mask, identity, box in zip(
            scene.masks, scene.identities.tolist(), scene.boxes.tolist(), strict=True
        ):
            if other.get(identity) != tuple(box):
                near |= mask.astype(np.uint8)
    return cv2.dilate(near, np.ones((2 * STILL_PX + 1, 2 * STILL_PX + 1), np.uint8)) > 0


def disturbed(doubt: float) -> Predict:
    """Make labels of soft planes of the classes with noise of that deviation."""

    def predict(scene: Scene, rng: np.random.Generator) -> Labels:
        height, width = scene.labels.shape
        planes = []
        for class_id in range(CLASSES):
            soft = cv2.GaussianBlur((scene.labels == class_id).astype(np.float32), (0, 0), SOFT_PX)
            noise = rng.standard_normal((height // DOUBT_PX, width // DOUBT_PX)).astype(np.float32)
            noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
            planes.append(soft + doubt * noise)
        return np.stack(planes).argmax(axis=0).astype(np.uint8)

    return predict


def by_engine(engine: Path) -> Predict:
    """Take the labels of an engine, which stays open to the end."""
    from edgeseg.runtime import Segmenter

    segment = Segmenter.open(engine)

    def predict(scene: Scene, rng: np.random.Generator) -> Labels:
        result = segment(scene.image)
        assert isinstance(result, SemanticResult)
        return result.labels

    return predict


def times_ms(size_hw: tuple[int, int]) -> list[float]:
    """How long frames of a size take."""
    return [ms for *_, ms in smoothed_video(lambda scene, _: scene.labels, 0, 30, 0.5, size_hw)][1:]


if __name__ == "__main__":
    main()
