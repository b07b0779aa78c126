"""Measure post-processing against the plain ways: one table, medians of interleaved runs in milliseconds.

Labels from logits: `numpy` resizes every class with cv2 and takes `numpy.argmax`; `cv2` resizes every class
and keeps a running maximum, on all cores. Both interpolate every class at every pixel of the frame.
Masks: torchvision's `paste_masks_in_image`, which makes a full frame of each mask. Overlays of these masks:
supervision's `MaskAnnotator`.

    python -m benchmarks.postprocess [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.growing.faked import instance_spec
from edgeseg.frames.geometry import place
from edgeseg.frames.instance import paste_masks
from edgeseg.frames.results import InstanceResult
from edgeseg.frames.upsample import argmax_labels, upsampled_labels
from edgeseg.runtime.overlay import draw
from edgeseg.spec import InputSpec

FRAMES_HW = ((480, 640), (1080, 1920))
INPUT = InputSpec(480, 640)
CLASSES = (2, 6, 21)
STRIDES = (4, 8, 16)
OBJECTS = 12  # in a picture
SHORT_S = 0.02  # a quicker way is repeated
MASKS, MASK_SIZE = 100, 28
MEAN_SIDES_PX = (100, 300, 600)  # of the boxes at 1080p

Way = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11)
    repeats = parser.parse_args().repeats
    print(
        f"{'labels from logits':28} {'ours':>8} {'numpy':>8} {'cv2':>8}  numpy/ours  cv2/ours  pixels differ"
    )
    for frame_hw in FRAMES_HW:
        for classes in CLASSES:
            for stride in STRIDES:
                compare_labels(frame_hw, classes, stride, repeats)
    print(f"\n{'argmax, stride 1':28} {'ours':>8} {'numpy':>8}  numpy/ours")
    for classes in CLASSES:
        compare_argmax(classes, repeats)
    print(f"\n{'100 masks at 1080p':28} {'ours':>8} {'torchvision':>11}  times ours  pixels differ  COCO")
    for side in MEAN_SIDES_PX:
        compare_masks(side, repeats)
    print(f"\n{'overlay of 100 masks at 1080p':28} {'ours':>8} {'supervision':>11}  times ours")
    for side in MEAN_SIDES_PX:
        compare_overlays(side, repeats)


def compare_labels(frame_hw: tuple[int, int], classes: int, stride: int, repeats: int) -> None:
    logits = scene_logits(classes, frame_hw, (INPUT.height // stride, INPUT.width // stride))
    placement = place(frame_hw, INPUT)
    ways: dict[str, Way] = {
        "ours": lambda: upsampled_labels(logits, placement),
        "numpy": lambda: numpy_labels(logits, frame_hw),
        "cv2": lambda: cv2_labels(logits, frame_hw),
    }
    ms = medians_ms(ways, repeats)
    differ = np.mean(upsampled_labels(logits, placement) != cv2_labels(logits, frame_hw))
    name = f"{frame_hw[1]}x{frame_hw[0]}, {classes} classes, /{stride}"
    print(
        f"{name:28} {ms['ours']:8.2f} {ms['numpy']:8.2f} {ms['cv2']:8.2f}"
        f"  {ms['numpy'] / ms['ours']:10.1f}  {ms['cv2'] / ms['ours']:8.1f}  {differ:.1e}"
    )


def compare_argmax(classes: int, repeats: int) -> None:
    logits = scene_logits(classes, FRAMES_HW[0], FRAMES_HW[0])
    ms = medians_ms({"ours": lambda: argmax_labels(logits), "numpy": lambda: logits.argmax(axis=0)}, repeats)
    name = f"640x480, {classes} classes"
    print(f"{name:28} {ms['ours']:8.2f} {ms['numpy']:8.2f}  {ms['numpy'] / ms['ours']:10.1f}")


def compare_masks(mean_side: int, repeats: int) -> None:
    frame_hw = FRAMES_HW[1]
    masks, boxes = random_masks(mean_side, frame_hw)
    nobody = np.zeros(MASKS, np.float32)

    def ours() -> InstanceResult:
        return InstanceResult(
            boxes, nobody, nobody.astype(np.int64), frame_hw, paste_masks(masks, boxes, frame_hw)
        )

    ways: dict[str, Way] = {"ours": ours, "coco": ours().to_coco}
    theirs = torchvision_way(masks, boxes, frame_hw)
    if theirs is not None:
        ways["theirs"] = theirs
    ms = medians_ms(ways, repeats)
    name = f"boxes of {mean_side} px"
    if theirs is None:
        print(f"{name:28} {ms['ours']:8.2f} {'-':>11}  torchvision is not installed  {ms['coco']:.1f}")
        return
    expected, found = theirs(), ours().masks
    differ = (expected != found).sum() / expected.sum()
    times = f"{ms['ours']:8.2f} {ms['theirs']:11.1f}  {ms['theirs'] / ms['ours']:10.1f}"
    print(f"{name:28} {times}  {differ:13.1e}  {ms['coco']:.1f}")


def compare_overlays(mean_side: int, repeats: int) -> None:
    name = f"boxes of {mean_side} px"
    frame_hw = FRAMES_HW[1]
    masks, boxes = random_masks(mean_side, frame_hw)
    image = np.full((*frame_hw, 3), 127, np.uint8)
    ids = np.ones(MASKS, np.int64)
    pasted = paste_masks(masks, boxes, frame_hw)
    result = InstanceResult(boxes, np.ones(MASKS, np.float32), ids, frame_hw, pasted)
    ways: dict[str, Way] = {"ours": lambda: draw(image, result, instance_spec())}
    try:
        import supervision
    except ImportError:
        print(f"{name:28} {medians_ms(ways, repeats)['ours']:8.2f} {'-':>11}  supervision is not installed")
        return
    annotator, detections = supervision.MaskAnnotator(), result.to_supervision()
    ways["theirs"] = lambda: annotator.annotate(image.copy(), detections)
    ms = medians_ms(ways, repeats)
    print(f"{name:28} {ms['ours']:8.2f} {ms['theirs']:11.1f}  {ms['theirs'] / ms['ours']:10.1f}")


def numpy_labels(logits: NDArray[np.float32], frame_hw: tuple[int, int]) -> NDArray[np.uint8]:
    return np.stack([cv2.resize(plane, frame_hw[::-1]) for plane in logits]).argmax(axis=0).astype(np.uint8)


def cv2_labels(logits: NDArray[np.float32], frame_hw: tuple[int, int]) -> NDArray[np.uint8]:
    best = cv2.resize(logits[0], frame_hw[::-1])
    labels = np.zeros(frame_hw, np.uint8)
    for class_id in range(1, len(logits)):
        plane = cv2.resize(logits[class_id], frame_hw[::-1])
        wins = (plane > best).view(np.uint8)
        np.maximum(labels, np.multiply(wins, np.uint8(class_id), out=wins), out=labels)
        np.maximum(best, plane, out=best)
    return labels


def torchvision_way(
    masks: NDArray[np.float32], boxes: NDArray[np.float32], frame_hw: tuple[int, int]
) -> Callable[[], NDArray[np.bool_]] | None:
    try:
        import torch
        from torchvision.models.detection.roi_heads import paste_masks_in_image
    except ImportError:
        return None
    arguments = torch.from_numpy(masks)[:, None], torch.from_numpy(boxes), frame_hw

    def paste() -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (paste_masks_in_image(*arguments)[:, 0] >= 0.5).numpy()
        return inside

    return paste


def scene_logits(
    classes: int, frame_hw: tuple[int, int], grid_hw: tuple[int, int], seed: int = 0
) -> NDArray[np.float32]:
    """Make logits (C, h, w) of overlapping ellipses with soft borders and a little smooth doubt."""
    rng = np.random.default_rng(seed)
    height, width = frame_hw
    truth = np.zeros(frame_hw, np.uint8)
    for _ in range(OBJECTS):
        centre = int(rng.integers(width)), int(rng.integers(height))
        axes = int(rng.integers(width // 30, width // 5)), int(rng.integers(height // 30, height // 5))
        cv2.ellipse(truth, centre, axes, float(rng.integers(180)), 0, 360, int(rng.integers(1, classes)), -1)
    planes = []
    for class_id in range(classes):
        inside = (truth == class_id).astype(np.float32)
        soft = cv2.GaussianBlur(cv2.resize(inside, grid_hw[::-1], interpolation=cv2.INTER_AREA), (0, 0), 1.0)
        doubt = cv2.resize(rng.standard_normal((12, 16)).astype(np.float32), grid_hw[::-1])
        planes.append(12 * soft - 4 + doubt)
    return np.stack(planes)


def random_masks(
    mean_side: int, frame_hw: tuple[int, int], seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make masks (D, M, M) of smooth blobs and boxes (D, 4) within the frame."""
    rng = np.random.default_rng(seed)
    limits = np.array([frame_hw[1], frame_hw[0]])
    centres = rng.uniform((0, 0), limits, (MASKS, 2))
    halves = rng.uniform(0.3, 1.7, (MASKS, 2)) * mean_side / 2
    boxes = np.hstack((centres - halves, centres + halves)).clip(0, np.tile(limits, 2)).astype(np.float32)
    coarse = rng.normal(0, 3, (MASKS, 5, 5)).astype(np.float32)
    logits = [cv2.resize(m, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_CUBIC) for m in coarse]
    return 1 / (1 + np.exp(-np.stack(logits))), boxes


def medians_ms(ways: Mapping[str, Way], repeats: int) -> dict[str, float]:
    """Run the ways in turn, so that a busy moment hits them all, and take each one's median.

    In its turn a quick way runs once as the one before left the caches, and then for SHORT_S; the median
    counts.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(_visit_ms(way))
    return {name: statistics.median(values) for name, values in times.items()}


def _visit_ms(way: Way) -> float:
    took_s = [_seconds(way)]
    if took_s[0] < SHORT_S:
        took_s = [_seconds(way)]
        while sum(took_s) < SHORT_S:
            took_s.append(_seconds(way))
    return 1e3 * statistics.median(took_s)


def _seconds(way: Way) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
