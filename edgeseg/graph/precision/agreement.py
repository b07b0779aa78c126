"""Score a converted model against the float32 one in points that the task loses, 0..100.

With label maps, points are those of mIoU. Without, the converted model is held against the float32 one:
points of class overlap for labels, where every pixel that the float32 model is unsure of counts, and of F1 by
score for instances. Each is defined in `edgeseg.metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph.outputs import Outputs, instances_of, label_count, labels_of
from edgeseg.metrics.confusion import confusion_matrix, mean_iou
from edgeseg.metrics.label_agreement import LabelErrors
from edgeseg.metrics.object_agreement import score_weighted_f1
from edgeseg.opencv import cv2
from edgeseg.spec import VOID_LABEL, HeadSpec, ModelSpec

POINTS = 100.0


def points_lost(
    reference: Sequence[Outputs],
    candidate: Sequence[Outputs],
    spec: ModelSpec,
    truth: NDArray[np.uint8] | None = None,
) -> float:
    """Score converted outputs of several images by those of the float32 model, or both by the truth.

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
        lost = 1.0 - _class_overlap(reference, candidate, spec)
    else:
        lost = 1.0 - score_weighted_f1(map(instances_of, reference), map(instances_of, candidate))
    return max(0.0, POINTS * lost)  # rounding may fall below 0


def true_miou(outputs: Sequence[Outputs], spec: ModelSpec, truth: NDArray[np.uint8]) -> float:
    """Score the outputs of a semantic model by label maps (M, H, W) of the input's size: mIoU, 0..1.

    Of classes that may overlap each pixel's likeliest counts; none, where the truth has one, is wrong.
    """
    classes = max(len(spec.class_names), 2)
    confusion = np.zeros((classes, classes + 1), np.int64)
    for found, expected in zip(outputs, truth, strict=True):
        confusion += confusion_matrix(expected, labels_at(found, spec.head, expected.shape), classes)
    return mean_iou(confusion)


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


def _class_overlap(reference: Sequence[Outputs], candidate: Sequence[Outputs], spec: ModelSpec) -> float:
    errors = LabelErrors(label_count(spec))
    for expected, found in zip(reference, candidate, strict=True):
        has_labels = "labels" in expected
        maps = [labels_of(side, has_labels, spec.head) for side in (expected, found)]
        errors.add_labels(maps[0], maps[1])
    return errors.class_overlap
