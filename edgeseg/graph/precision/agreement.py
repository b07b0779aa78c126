"""Turn the outputs of a float32 model and of a converted one into points that the task loses, 0..100.

Points are those of mIoU for labels, and of F1, the balance of found and missed, for instances. With label
maps they are true ones; without, what the float32 model finds stands for the truth, and every pixel that it
is unsure of counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.export.metrics import MASK_LEVEL, Instances, SemanticErrors, match
from edgeseg.export.parity import Outputs, instances_of, label_count, labels_of
from edgeseg.spec import HeadSpec, ModelSpec

SAME_OBJECT_IOU = 0.5  # of boxes and of masks, as in AP@0.5
POINTS = 100.0
VOID_LABEL = 255  # of label maps: not counted


def points_lost(
    reference: Sequence[Outputs],
    candidate: Sequence[Outputs],
    spec: ModelSpec,
    truth: NDArray[np.uint8] | None = None,
) -> float:
    """Judge converted outputs of several images by those of the float32 model, or both by the truth.

    Args:
        reference: one item an image.
        candidate: the same of the converted model.
        truth: of a semantic model, label maps (M, H, W) of the input's size; VOID_LABEL is not counted.

    Returns:
        0 for results that are equal, or better than the float32 model's, 100 if nothing agrees.
    """
    if truth is not None:
        lost = true_miou(reference, spec, truth) - true_miou(candidate, spec, truth)
    elif spec.task == "semantic":
        lost = _labels_lost(reference, candidate, spec)
    else:
        lost = _instances_lost(reference, candidate, spec)
    return max(0.0, POINTS * lost)  # rounding may fall below 0


def true_miou(outputs: Sequence[Outputs], spec: ModelSpec, truth: NDArray[np.uint8]) -> float:
    """Judge the outputs of a semantic model by label maps (M, H, W) of the input's size: mIoU, 0..1.

    Of classes that may overlap each pixel's likeliest is judged; none, where the truth has one, is wrong.
    """
    errors = SemanticErrors(max(len(spec.class_names), 2))
    for found, expected in zip(outputs, truth, strict=True):
        counted = expected != VOID_LABEL
        errors.add_labels(expected[counted], labels_at(found, spec.head, expected.shape)[counted])
    return errors.mean_iou


def labels_at(outputs: Outputs, head: HeadSpec, size_hw: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
    """Give one image's labels at a size (H, W): of logits, of those interpolated to it; None is their own.

    At a size, of classes that may overlap, they are the likeliest, and VOID_LABEL where there is none.
    """
    if "labels" in outputs or size_hw is None:
        return labels_of(outputs, "labels" in outputs, head)
    logits = outputs["logits"]
    if size_hw != logits.shape[1:]:
        logits = np.stack([cv2.resize(plane, (size_hw[1], size_hw[0])) for plane in logits])
    labels = labels_of({"logits": logits}, False)
    if head.kind == "multilabel":
        labels[logits.max(axis=0) <= 0] = VOID_LABEL
    return labels


def _labels_lost(reference: Sequence[Outputs], candidate: Sequence[Outputs], spec: ModelSpec) -> float:
    errors = SemanticErrors(label_count(spec))
    for expected, found in zip(reference, candidate, strict=True):
        has_labels = "labels" in expected
        maps = [labels_of(side, has_labels, spec.head) for side in (expected, found)]
        errors.add_labels(maps[0], maps[1])
    return 1.0 - errors.mean_iou


def _instances_lost(reference: Sequence[Outputs], candidate: Sequence[Outputs], spec: ModelSpec) -> float:
    """Weigh every detection with its score: what is at the threshold comes and goes at any change."""
    common = total = 0.0
    for expected, found in zip(map(instances_of, reference), map(instances_of, candidate), strict=True):
        pairs = match(expected, found, SAME_OBJECT_IOU)
        same = [(i, j) for i, j in pairs if _mask_iou(expected, int(i), found, int(j)) > SAME_OBJECT_IOU]
        common += sum(float(expected.scores[i] + found.scores[j]) for i, j in same)
        total += float(expected.scores.sum() + np.nan_to_num(found.scores).sum())
    return 1.0 - common / total if total else 0.0


def _mask_iou(expected: Instances, i: int, found: Instances, j: int) -> float:
    inside: list[NDArray[np.bool_]] = [expected.masks[i] >= MASK_LEVEL, found.masks[j] >= MASK_LEVEL]
    union = int((inside[0] | inside[1]).sum())
    return float((inside[0] & inside[1]).sum()) / union if union else 1.0
