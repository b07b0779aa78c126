"""Turn the outputs of a float32 model and of a converted one into points that the task loses, 0..100.

There is no ground truth at build time: what the float32 model finds stands for it. Points are those of
mIoU for labels, and of F1, the balance of found and missed, for instances.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.export.metrics import MASK_LEVEL, Instances, SemanticErrors, match
from edgeseg.export.parity import Outputs, instances_of, labels_of
from edgeseg.spec import ModelSpec

SAME_OBJECT_IOU = 0.5  # of boxes and of masks, as in AP@0.5
POINTS = 100.0


def points_lost(reference: Sequence[Outputs], candidate: Sequence[Outputs], spec: ModelSpec) -> float:
    """Judge converted outputs of several images by those of the float32 model.

    Args:
        reference: one item an image.
        candidate: the same of the converted model.

    Returns:
        0 for equal results, 100 if nothing agrees.
    """
    lost = _labels_lost if spec.task == "semantic" else _instances_lost
    return max(0.0, POINTS * lost(reference, candidate, spec))  # rounding may fall below 0


def _labels_lost(reference: Sequence[Outputs], candidate: Sequence[Outputs], spec: ModelSpec) -> float:
    errors = SemanticErrors(max(len(spec.class_names), 2))
    for expected, found in zip(reference, candidate, strict=True):
        has_labels = "labels" in expected
        errors.add_labels(labels_of(expected, has_labels), labels_of(found, has_labels))
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
