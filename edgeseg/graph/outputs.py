"""Turn a model's outputs for one image into label maps, or into instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.metrics.object_agreement import Instances
from edgeseg.spec import LOGITS_HEAD, HeadSpec, ModelSpec

Outputs = Mapping[str, NDArray[Any]]
"""Graph outputs for one image, without the batch axis."""


def labels_of(outputs: Outputs, has_labels: bool, head: HeadSpec = LOGITS_HEAD) -> NDArray[np.uint8]:
    """Give one image's labels (H, W): its own, or those of its logits at their stride.

    Classes that may overlap give a map each, one below the other, (C * H, W), of the class where it is and of
    the number of classes where it is not; see `label_count`.
    """
    if has_labels:
        labels: NDArray[np.uint8] = outputs["labels"]
        return labels
    logits: NDArray[np.float32] = outputs["logits"]
    if head.kind == "multilabel":
        classes = len(logits)
        class_ids = np.arange(classes, dtype=np.uint8).reshape(-1, 1, 1)
        maps: NDArray[np.uint8] = np.where(logits > 0, class_ids, np.uint8(classes))  # (C, h, w)
        flat: NDArray[np.uint8] = maps.reshape(-1, logits.shape[2])
        return flat
    best: NDArray[np.uint8] = logits.argmax(axis=0).astype(np.uint8)
    return best


def label_count(spec: ModelSpec) -> int:
    """Count the labels that `labels_of` gives, of a semantic spec."""
    return max(len(spec.class_names) + (spec.head.kind == "multilabel"), 2)


def instances_of(outputs: Outputs) -> Instances:
    """Take the detections out of one image's outputs; score 0 is padding."""
    found = ~(outputs["scores"] <= 0)
    masks = outputs["masks"]
    return Instances(
        boxes=outputs["boxes"][found],
        scores=outputs["scores"][found],
        class_ids=outputs["class_ids"][found].astype(np.int64),
        masks=masks[found[: len(masks)]],
    )
