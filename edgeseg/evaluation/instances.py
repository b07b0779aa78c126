"""Compare the objects found in several images with the true ones: AP, F1, and what was taken for what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from edgeseg.evaluation.figures import Figures
from edgeseg.evaluation.objects import Annotation
from edgeseg.frames.results import InstanceResult
from edgeseg.metrics.coco_evaluation import CocoEvaluation

MATCH_IOU = 0.5  # of masks, in the confusion matrix and F1


class InstanceSheet:
    """Objects of each image.

    Its figures are those of COCO by boxes and by masks (`box_ap`, `box_ap50`, ..., `mask_ap_large`), and `f1`
    of the objects that the engine gives, whatever their score: 2 TP / (2 TP + FP + FN), a pair being right
    where masks overlap by 0.5 and the class is one. Of classes `box_ap` and `mask_ap`.

    Args:
        num_classes: C, background included.
        class_ids: whose objects the truth knows; what is found of others is not counted.

    Attributes:
        confusion: (C, C) objects of all images: rows the truth, row 0 where nothing is; columns what was
            found, column 0 nothing. Objects are paired whatever their class, the largest overlap of masks
            first, from 0.5.
    """

    def __init__(self, num_classes: int, class_ids: Collection[int]) -> None:
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self._class_ids = np.array(sorted(class_ids), np.int64)
        self._found: list[list[Any]] = []
        self._truth: list[list[Annotation]] = []
        self._sizes: list[tuple[int, int]] = []
        self._right: list[tuple[int, int]] = []  # objects of each image in right pairs, and all

    def __len__(self) -> int:
        """Count the images."""
        return len(self._truth)

    @property
    def true_counts(self) -> NDArray[np.int64]:
        """Objects of each class in the truth, crowds left out, (C,)."""
        ids = [one["category_id"] for image in self._truth for one in image if not one["iscrowd"]]
        return np.bincount(np.array(ids, np.intp), minlength=len(self.confusion)).astype(np.int64)

    def add(self, truth: Sequence[Annotation], result: InstanceResult) -> float:
        """Compare one image's objects.

        Returns:
            The image's own F1; 1 where there is nothing, and nothing was found.
        """
        known = result.select(np.flatnonzero(np.isin(result.class_ids, self._class_ids)))
        found: list[Any] = list(known.to_coco())
        confusion = _confusion(truth, found, len(self.confusion))
        right = 2 * int(np.diag(confusion).sum())
        everything = int(confusion[1:].sum() + confusion[:, 1:].sum())  # true ones, and found ones
        self.confusion += confusion
        self._right.append((right, everything))
        self._found.append(found)
        self._truth.append(list(truth))
        self._sizes.append(result.frame_hw)
        return right / everything if everything else 1.0

    def figures(self) -> Figures:
        """Give the figures of all images together."""
        right, everything = np.sum(self._right, axis=0)
        overall = {"f1": np.float64(right / everything if everything else 1.0)}
        classes = {}
        for kind, evaluation in self._evaluations.items():
            overall |= {f"{kind}_{name}": np.float64(ap) for name, ap in evaluation.figures().items()}
            classes[f"{kind}_ap"] = self._by_class(evaluation, evaluation.class_ap())
        return Figures(overall, classes)

    def drawn(self, weights: NDArray[np.int64]) -> Figures:
        """Give the figures of draws of the images, without those of small, medium and large objects.

        Args:
            weights: (B, N) how often each image is in each draw; see `metrics.bootstrap.draws`.
        """
        right, everything = (weights @ np.array(self._right)).T
        overall = {"f1": np.where(everything > 0, right / np.maximum(everything, 1), 1.0)}
        classes = {}
        for kind, evaluation in self._evaluations.items():
            aps, of_classes = evaluation.drawn(weights)
            overall |= {f"{kind}_{name}": ap for name, ap in aps.items()}
            classes[f"{kind}_ap"] = self._by_class(evaluation, of_classes)
        return Figures(overall, classes)

    @cached_property
    def _evaluations(self) -> dict[str, CocoEvaluation]:
        return {
            "box": CocoEvaluation(self._found, self._truth, self._sizes, "box"),
            "mask": CocoEvaluation(self._found, self._truth, self._sizes, "mask"),
        }

    def _by_class(self, evaluation: CocoEvaluation, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put (..., K) figures of the classes that the truth shows to their class ids, (..., C)."""
        by_class = np.full((*values.shape[:-1], len(self.confusion)), np.nan)
        by_class[..., evaluation.category_ids] = values
        return by_class


def _confusion(truth: Sequence[Annotation], found: Sequence[Any], classes: int) -> NDArray[np.int64]:
    """Pair the objects of one image; what overlaps a crowd, and nothing else, counts neither way."""
    counts = np.zeros((classes, classes), np.int64)
    crowd = np.array([one["iscrowd"] for one in truth], np.bool_)
    true_ids = np.array([one["category_id"] for one in truth], np.intp)
    found_ids = np.array([one["category_id"] for one in found], np.intp)
    overlap = np.zeros((len(found), len(truth)))
    if len(found) and len(truth):
        masks = [one["segmentation"] for one in found]
        overlap = np.asarray(rle.iou(masks, [one["segmentation"] for one in truth], crowd.astype(np.uint8)))
    in_crowd = (overlap[:, crowd] >= MATCH_IOU).any(axis=1)
    free = overlap.copy()
    free[:, crowd] = 0
    unfound, unmatched = ~crowd, np.ones(len(found), np.bool_)
    while free.size and free.max() >= MATCH_IOU:
        i, j = np.unravel_index(free.argmax(), free.shape)
        counts[true_ids[j], found_ids[i]] += 1
        free[i], free[:, j] = 0, 0
        unfound[j], unmatched[i] = False, False
    counts[:, 0] += np.bincount(true_ids[unfound], minlength=classes)
    counts[0] += np.bincount(found_ids[unmatched & ~in_crowd], minlength=classes)
    return counts
