"""Compare the objects that two runs of one network find, pair by pair, and in one figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MATCH_IOU = 0.99  # boxes of the same detection overlap more, in float32
SAME_OBJECT_IOU = 0.5  # of boxes and of masks, as in AP50
MASK_LEVEL = 0.5  # probability from which a pixel is inside


@dataclass(frozen=True)
class Instances:
    """The detections in one image, without padding.

    Attributes:
        boxes: (D, 4) float32 xyxy pixels.
        scores: (D,) float32.
        class_ids: (D,) int64.
        masks: (E, M, M) float32 of the first E <= D detections.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    masks: NDArray[np.float32]


class PairErrors(NamedTuple):
    """How far two matched detections are from each other; see `ObjectErrors`."""

    score: float
    box_px: float
    mask: float = 0.0
    mask_iou: float = 1.0


@dataclass
class ObjectErrors:
    """Errors over several images; figures of pairs are the worst over all pairs, and `pairs` has each.

    A detection that only one side has is `borderline`, not missed or extra, when its score lies within
    `score_margin` of where detections are cut off: at the threshold, or at the last of `max_detections`.

    Attributes:
        detections: in the reference.
        matched: pairs of the same class whose boxes overlap by IoU > `match_iou`.
        missed, extra: in the reference alone, in the candidate alone.
        max_box_px: largest difference of a coordinate.
        max_mask: largest mean absolute difference of a mask.
        min_mask_iou: smallest IoU of masks binarised at 0.5; pixels of the reference within `mask_margin` of
            0.5 count as agreeing.
        pairs: the errors of each pair; where a mask is missing, those of equal masks.
    """

    score_threshold: float
    score_margin: float
    mask_margin: float
    max_detections: int | None = None
    match_iou: float = MATCH_IOU
    detections: int = 0
    matched: int = 0
    missed: int = 0
    extra: int = 0
    borderline: int = 0
    max_score: float = 0.0
    max_box_px: float = 0.0
    max_mask: float = 0.0
    min_mask_iou: float = 1.0
    pairs: list[PairErrors] = field(default_factory=list)

    def add(self, reference: Instances, candidate: Instances) -> None:
        """Compare the detections of one image."""
        pairs = match(reference, candidate, self.match_iou)
        cut = max(self._cut(reference), self._cut(candidate)) + self.score_margin
        alone = [
            np.delete(side.scores, indices.astype(np.int64))
            for side, indices in zip((reference, candidate), pairs.T, strict=True)
        ]
        self.detections += len(reference.scores)
        self.matched += len(pairs)
        self.missed += int((alone[0] > cut).sum())
        self.extra += int((~(alone[1] <= cut)).sum())  # a score that is not a number is extra
        self.borderline += int((alone[0] <= cut).sum() + (alone[1] <= cut).sum())
        for i, j in pairs:
            self._add_pair(reference, candidate, int(i), int(j))

    def _cut(self, side: Instances) -> float:
        is_full = self.max_detections is not None and len(side.scores) >= self.max_detections
        return max(self.score_threshold, float(side.scores.min())) if is_full else self.score_threshold

    def _add_pair(self, reference: Instances, candidate: Instances, i: int, j: int) -> None:
        pair = PairErrors(
            score=_finite(np.abs(reference.scores[i] - candidate.scores[j])),
            box_px=_finite(np.abs(reference.boxes[i] - candidate.boxes[j]).max()),
        )
        if i < len(reference.masks) and j < len(candidate.masks):
            expected, found = reference.masks[i], candidate.masks[j]
            inside = expected >= MASK_LEVEL
            agreed = np.where(np.abs(expected - MASK_LEVEL) < self.mask_margin, inside, found >= MASK_LEVEL)
            error = _finite(np.abs(expected - found).mean())
            pair = pair._replace(mask=error, mask_iou=mask_iou(inside, agreed))
        self.pairs.append(pair)
        self.max_score = max(self.max_score, pair.score)
        self.max_box_px = max(self.max_box_px, pair.box_px)
        self.max_mask = max(self.max_mask, pair.mask)
        self.min_mask_iou = min(self.min_mask_iou, pair.mask_iou)


def score_weighted_f1(references: Iterable[Instances], candidates: Iterable[Instances]) -> float:
    """F1 of found and missed objects over several images, each counted with its score; 0..1.

    F1 is 2 TP / (2 TP + FP + FN). An object is found where a pair of the same class overlaps by more than
    SAME_OBJECT_IOU, boxes and masks both. Scores are weights because what is at the threshold comes and goes
    at any change. 1 where neither side finds anything.

    Args:
        references: the objects of each image, without padding, every one with its mask.
        candidates: the same, as many images.
    """
    common = total = 0.0
    for expected, found in zip(references, candidates, strict=True):
        for i, j in match(expected, found, SAME_OBJECT_IOU):
            if mask_iou(expected.masks[i] >= MASK_LEVEL, found.masks[j] >= MASK_LEVEL) > SAME_OBJECT_IOU:
                common += float(expected.scores[i] + found.scores[j])
        total += float(expected.scores.sum() + np.nan_to_num(found.scores).sum())
    return common / total if total else 1.0


def match(reference: Instances, candidate: Instances, match_iou: float = MATCH_IOU) -> NDArray[np.int64]:
    """Pair detections greedily, best reference first, each with the unpaired one of its class nearest to it.

    Returns:
        (P, 2) indices into reference and candidate.
    """
    if not len(reference.scores) or not len(candidate.scores):
        return np.zeros((0, 2), np.int64)
    iou = box_iou(reference.boxes, candidate.boxes)
    iou[reference.class_ids[:, None] != candidate.class_ids[None]] = 0.0
    pairs = []
    for i in np.argsort(-reference.scores, kind="stable"):
        j = int(iou[i].argmax())
        if iou[i, j] > match_iou:
            pairs.append((int(i), j))
            iou[:, j] = 0.0
    return np.array(pairs, np.int64).reshape(-1, 2)


def box_iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of (A, 4) with (B, 4) xyxy boxes: (A, B); anything not finite is 0."""
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    side = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    intersection = side.clip(min=0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (a, b)]
    with np.errstate(invalid="ignore", divide="ignore"):
        iou: NDArray[np.float64] = intersection / (areas[0] + areas[1] - intersection)
    return np.where(np.isfinite(iou), iou, 0.0)


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of equal shape; 1 where both are empty."""
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0


def _finite(error: np.floating[Any]) -> float:
    """The error; what is not finite is infinitely wrong."""
    return float(error) if np.isfinite(error) else float(np.inf)
