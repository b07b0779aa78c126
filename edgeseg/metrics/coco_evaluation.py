"""Evaluate found objects by COCO's own code (pycocotools), and again for draws of the images.

Lin et al., "Microsoft COCO", 2014. AP is the mean over IoU thresholds from 0.5 to 0.95, 101 recalls and the
classes that the truth shows; AP50 and AP75 are at one threshold; small, medium and large objects end at 32^2
and 96^2 pixels. At most 100 detections of an image count.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edgeseg.metrics.bootstrap import nan_mean

Kind = Literal["box", "mask"]
AXES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
IOU_OF = {"ap50": 0.5, "ap75": 0.75}
RECALLS = 101
DRAWS_AT_ONCE = 100  # of thousands of detections each


class CocoEvaluation:
    """What COCO says of the objects that were found in some images.

    Args:
        found: of each image its objects in the COCO results format; `image_id` is not read.
        truth: of each image its COCO annotations (`category_id`, `bbox`, `area`, `iscrowd`, and for masks
            `segmentation` as run-length encoding); `image_id` and `id` are not read.
        sizes_hw: of each image.
        kind: compare boxes or masks.
        thresholds: of IoU, over which AP is the mean; None stands for COCO's own.

    Attributes:
        category_ids: (K,) that the truth shows, ascending.
    """

    def __init__(
        self,
        found: Sequence[Sequence[Mapping[str, Any]]],
        truth: Sequence[Sequence[Mapping[str, Any]]],
        sizes_hw: Sequence[tuple[int, int]],
        kind: Kind,
        thresholds: Sequence[float] | None = None,
    ) -> None:
        self._images = len(truth)
        self.category_ids = sorted({int(one["category_id"]) for image in truth for one in image})
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its steps by print
            dataset = _coco(truth, sizes_hw, self.category_ids)
            # Without boxes, for a mask's size is then its own area, and not its box's.
            kept = ("category_id", "score", "bbox" if kind == "box" else "segmentation")
            results = [
                {**{name: one[name] for name in kept}, "image_id": i}
                for i, image in enumerate(found)
                for one in image
            ]
            objects = dataset.loadRes(results) if results else _coco([], sizes_hw, self.category_ids)
            self._evaluation = COCOeval(dataset, objects, "bbox" if kind == "box" else "segm")
            if thresholds is not None:
                self._evaluation.params.iouThrs = np.array(thresholds)
            self._evaluation.evaluate()
            self._evaluation.accumulate()

    def figures(self) -> dict[str, float]:
        """Give `ap`, `ap50`, `ap75` and the AP of each size, 0..1; NaN where there are no such objects."""
        precision = self._precision()  # (T, R, K, A)
        values = {"ap": precision[..., 0]}
        values |= {name: precision[self._threshold(iou), ..., 0] for name, iou in IOU_OF.items()}
        values |= {name: precision[..., area] for area, name in enumerate(AXES[3:], start=1)}
        return {name: float(nan_mean(values[name].ravel())) for name in AXES}

    def class_ap(self) -> NDArray[np.float64]:
        """Give AP of each of `category_ids`, (K,); NaN where all its objects are ignored."""
        return nan_mean(np.moveaxis(self._precision()[..., 0], 2, 0).reshape(len(self.category_ids), -1))

    def drawn(self, weights: NDArray[np.int64]) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
        """Evaluate draws of the images: what COCO would say if each were there as often as it is drawn.

        Args:
            weights: (B, N) how often each image is in each draw.

        Returns:
            `ap`, `ap50` and `ap75`, (B,) each, and AP of each class, (B, K); NaN where a draw does not show
            it.
        """
        classes = [self._drawn_ap(k, weights) for k in range(len(self.category_ids))]
        at = np.stack(classes, axis=2)  # (B, T, K)
        of_classes = at.mean(axis=1)
        overall = {"ap": nan_mean(of_classes)}
        overall |= {name: nan_mean(at[:, self._threshold(iou)]) for name, iou in IOU_OF.items()}
        return overall, of_classes

    def _threshold(self, iou: float) -> int:
        return int(np.argmin(np.abs(self._evaluation.params.iouThrs - iou)))

    def _precision(self) -> NDArray[np.float64]:
        """Give precisions (thresholds, recalls, classes, areas); NaN where there are no objects."""
        precision = self._evaluation.eval["precision"][..., -1]
        return np.where(precision < 0, np.nan, precision)

    def _drawn_ap(self, k: int, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give AP of one class at each threshold, (B, T)."""
        matched = list(self._matched(k))
        positives = np.zeros(self._images, np.int64)
        for image, one in matched:
            positives[image] = int(np.count_nonzero(np.asarray(one["gtIgnore"]) == 0))
        wanted = weights @ positives  # (B,) objects to find in each draw
        scores = np.array([score for _, one in matched for score in one["dtScores"]], float)
        order = np.argsort(-scores, kind="mergesort")  # COCO's own
        image_of = np.array([image for image, one in matched for _ in one["dtScores"]], np.intp)
        thresholds = len(self._evaluation.params.iouThrs)
        none = np.zeros((thresholds, 0), np.bool_)
        hit = np.concatenate([none, *(np.asarray(one["dtMatches"]) != 0 for _, one in matched)], axis=1)
        ignored = np.concatenate([none, *(np.asarray(one["dtIgnore"]) != 0 for _, one in matched)], axis=1)
        right, counted = (hit & ~ignored)[:, order], ~ignored[:, order]
        found = np.zeros((len(weights), thresholds))
        for first in range(0, len(weights), DRAWS_AT_ONCE):
            part = slice(first, first + DRAWS_AT_ONCE)
            drawn = weights[part][:, image_of[order]]  # (b, D)
            total = np.zeros_like(drawn)
            for t in range(thresholds):
                if not t or (counted[t] != counted[t - 1]).any():
                    total = (drawn * counted[t]).cumsum(axis=1)
                at = np.flatnonzero(right[t])
                found[part, t] = _mean_precision(drawn[:, at], total[:, at], wanted[part])
        return np.where(wanted[:, None] > 0, found, np.nan)

    def _matched(self, k: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Give what COCO matched of one class, of each image that has or found any: objects of all sizes."""
        areas = len(self._evaluation.params.areaRng)
        first = k * areas * self._images
        for image, one in enumerate(self._evaluation.evalImgs[first : first + self._images]):
            if one is not None:
                yield image, one


def _mean_precision(
    right: NDArray[np.int64], total: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Interpolate precision at COCO's recalls, and take their mean, (b,).

    Args:
        right: (b, R) how often each detection that is right is drawn, best score first.
        total: (b, R) detections that are drawn and counted, up to and with each of these.
        wanted: (b,) objects to find.
    """
    hits = right.cumsum(axis=1)
    precision = hits / np.maximum(total, 1)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = hits / np.maximum(wanted, 1)[:, None]
    reached = np.searchsorted(np.linspace(0.0, 1.0, RECALLS), recall, side="right")  # of COCO's recalls
    total_precision = (precision * np.diff(reached, axis=1, prepend=0)).sum(axis=1)
    return np.asarray(total_precision / RECALLS, np.float64)


def _coco(
    truth: Sequence[Sequence[Mapping[str, Any]]],
    sizes_hw: Sequence[tuple[int, int]],
    category_ids: Sequence[int],
) -> COCO:
    """Make a COCO data set, image ids from 0; annotation ids from 1, for 0 is no match to COCOeval."""
    flat = [{**one, "image_id": i} for i, image in enumerate(truth) for one in image]
    dataset = COCO()
    dataset.dataset = {
        "info": {},
        "images": [{"id": i, "height": height, "width": width} for i, (height, width) in enumerate(sizes_hw)],
        "annotations": [{**one, "id": number} for number, one in enumerate(flat, start=1)],
        "categories": [{"id": i} for i in category_ids],
    }
    dataset.createIndex()
    return dataset
