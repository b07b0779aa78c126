"""Make detections of synthetic videos as a network, and a live stream, would: disturbed, missed, dropped."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import InstanceResult, MaskCrop
from edgeseg.runtime.filters.overlap import mask_iou
from edgeseg.runtime.frame import Frame
from edgeseg.scenes.scene import CLASS_NAMES, Scene, animate

FPS = 30.0
CROWDING = 2.0  # times as many objects as usual
KERNEL = np.ones((3, 3), np.uint8)
TWICE = 0.1  # of the objects have a second detection, of their right half
GHOSTS = 0.2  # detections a frame where nothing is
GHOST_PX = 25
HIDDEN_FRAMES = 12  # at most, for which an object is missed in a row


@dataclass(frozen=True)
class Case:
    """What is lost: a share of the detections, and so many frames in a row, at most."""

    name: str
    missed: float = 0.05
    gap: int = 0
    one_class: bool = False  # all objects are of one class, as in a crowd


class Seen(NamedTuple):
    """One frame, what was found in it, and how that overlaps (K, D) with what is true."""

    frame: Frame
    found: InstanceResult
    scene: Scene
    iou: NDArray[np.float64]


def video(case: Case, seed: int, frames: int) -> Iterator[Seen]:
    """Give the frames that are left of so many, with their detections."""
    rng = np.random.default_rng(seed)
    hidden: dict[int, int] = {}  # frames for which an object will not be found
    skip = 0
    for index, scene in enumerate(itertools.islice(animate(seed, crowding=CROWDING), frames)):
        found = detections(scene, rng, case, hidden)
        if skip:
            skip -= 1
            continue
        skip = int(rng.integers(0, case.gap + 1))
        frame = Frame(scene.image, index, index / FPS, media_s=index / FPS)
        yield Seen(frame, found, scene, true_iou(scene, found, one_class=case.one_class))


def detections(scene: Scene, rng: np.random.Generator, case: Case, hidden: dict[int, int]) -> InstanceResult:
    """Find the objects of one frame, more or less."""
    height, width = scene.labels.shape
    masks: list[NDArray[np.uint8]] = []
    scores: list[float] = []
    class_ids: list[int] = []
    for mask, class_id, identity, poor in zip(
        scene.masks, scene.class_ids, scene.identities.tolist(), scene.ignored, strict=True
    ):
        hidden[identity] = hidden.get(identity, 0) - 1
        if hidden[identity] < 0 and rng.random() < case.missed / 4:
            hidden[identity] = int(rng.integers(1, HIDDEN_FRAMES))
        if hidden[identity] > 0 or rng.random() < case.missed:
            continue
        found = disturbed(mask, rng)
        score = float(rng.beta(3, 3) if poor else rng.beta(8, 1.5))
        masks.append(found)
        scores.append(score)
        if rng.random() < TWICE:
            columns = np.flatnonzero(found.any(axis=0))
            masks.append(found * (np.arange(width) > columns.mean() if len(columns) else True))
            scores.append(score / 2)
        class_ids += [int(class_id)] * (len(masks) - len(class_ids))
    for _ in range(rng.poisson(GHOSTS)):
        x, y = int(rng.integers(width - GHOST_PX)), int(rng.integers(height - GHOST_PX))
        ghost = np.zeros((height, width), np.uint8)
        ghost[y : y + GHOST_PX, x : x + GHOST_PX] = 1
        masks.append(ghost)
        scores.append(float(rng.beta(2, 4)))
        class_ids.append(int(rng.integers(1, len(CLASS_NAMES))))
    if case.one_class:
        class_ids = [1] * len(class_ids)
    return _result(masks, scores, class_ids, rng, (height, width))


def disturbed(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Move a mask by up to a pixel and let it grow, shrink, or stay."""
    height, width = mask.shape
    dx, dy = rng.integers(-1, 2, 2)
    moved = cv2.warpAffine(mask.astype(np.uint8), np.array([[1.0, 0, dx], [0, 1, dy]]), (width, height))
    ways = (moved, cv2.erode(moved, KERNEL), cv2.dilate(moved, KERNEL))
    return np.asarray(ways[int(rng.integers(len(ways)))], np.uint8)


def true_iou(scene: Scene, found: InstanceResult, *, one_class: bool = False) -> NDArray[np.float64]:
    """Overlap (K, D) of the true masks and those found; 0 where the classes differ."""
    true = [_crop(mask.astype(np.uint8)) for mask in scene.masks]
    same = (
        np.full((len(true), len(found)), True) if one_class else scene.class_ids[:, None] == found.class_ids
    )
    return mask_iou(true, np.zeros((len(true), 2), np.intp), found.crops(), same)


def _crop(mask: NDArray[np.uint8]) -> MaskCrop:
    left, top, width, height = cv2.boundingRect(mask)
    return MaskCrop(left, top, mask[top : top + height, left : left + width] > 0)


def _result(
    masks: list[NDArray[np.uint8]],
    scores: list[float],
    class_ids: list[int],
    rng: np.random.Generator,
    frame_hw: tuple[int, int],
) -> InstanceResult:
    """Put boxes about masks, off by less than a pixel or so, and the best score first."""
    order = [i for i in np.argsort(-np.array(scores), kind="stable").tolist() if masks[i].any()]
    crops = tuple(_crop(masks[i]) for i in order)
    boxes = np.array(
        [[c.left, c.top, c.left + c.mask.shape[1], c.top + c.mask.shape[0]] for c in crops], np.float32
    ).reshape(-1, 4)
    boxes += rng.normal(0, 0.7, boxes.shape).astype(np.float32)
    return InstanceResult(
        boxes.clip(0, (frame_hw[1], frame_hw[0]) * 2),
        np.array([scores[i] for i in order], np.float32),
        np.array([class_ids[i] for i in order], np.int64),
        frame_hw,
        crops,
    )
