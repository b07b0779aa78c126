"""Turn predictions and scenes into accuracy: mean IoU for labels, average precision for instances."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edgeseg.demo.scenes import CLASS_NAMES, Scene
from edgeseg.errors import ShapeError, UsageError

MATCH_IOU = 0.5
LARGEST_AREA = 1e10  # pixels; COCO's "all"
MOST_DETECTIONS = 100  # of one image that COCO looks at


def confusion_matrix(
    predicted: NDArray[np.uint8], truth: NDArray[np.uint8], num_classes: int
) -> NDArray[np.int64]:
    """Count pixels by class: (num_classes, num_classes), rows the truth, columns the prediction.

    Args:
        predicted: (H, W) class ids below `num_classes`.
        truth: (H, W) the same.
        num_classes: background included.

    Raises:
        ShapeError: if the maps differ in size, or hold an id that is no class.
    """
    if predicted.shape != truth.shape:
        raise ShapeError(
            f"predicted labels are {predicted.shape}, the truth is {truth.shape}; make them the same size"
        )
    if max(predicted.max(initial=0), truth.max(initial=0)) >= num_classes:
        raise ShapeError(f"class ids must be below {num_classes}, got {max(predicted.max(), truth.max())}")
    pairs = truth.astype(np.int64).ravel() * num_classes + predicted.ravel()
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of every class, (C,); NaN for a class that neither truth nor prediction has."""
    hits = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)


def mean_iou(
    predicted: Iterable[NDArray[np.uint8]],
    truth: Iterable[NDArray[np.uint8]],
    num_classes: int = len(CLASS_NAMES),
) -> float:
    """Mean over the classes of the IoU over all pixels of all frames, 0..1.

    Args:
        predicted: (H, W) label maps, one a frame.
        truth: the true ones, as many.
        num_classes: background included; classes that never occur do not count.

    Raises:
        ShapeError: if maps do not fit each other.
        ValueError: if there are not as many of both.
    """
    confusion = np.zeros((num_classes, num_classes), np.int64)
    for labels, true_labels in zip(predicted, truth, strict=True):
        confusion += confusion_matrix(labels, true_labels, num_classes)
    return float(np.nanmean(class_iou(confusion)))


def average_precision(
    results: Sequence[Sequence[Mapping[str, Any]]],
    truth: Sequence[Scene],
    kind: Literal["box", "mask"],
    iou: float = MATCH_IOU,
) -> float:
    """Mean over the classes of COCO's average precision at one IoU threshold, 0..1.

    Args:
        results: for each frame its objects in the COCO results format: `category_id`, `bbox` (x, y, width,
            height), `score` and, for masks, `segmentation` as run-length encoding; `image_id` is not read.
        truth: the scenes, as many; ignored objects count neither way.
        kind: compare boxes or masks.
        iou: least overlap of a match.

    Raises:
        UsageError: if there are not as many results as scenes, or nothing to find in these.
    """
    if len(results) != len(truth):
        raise UsageError(f"results of {len(results)} frames cannot be compared with {len(truth)} scenes")
    if not any(len(scene.class_ids) for scene in truth):
        raise UsageError("the scenes hold no objects, so precision is not defined")
    found = [{**result, "image_id": i} for i, frame in enumerate(results) for result in frame]
    if not found:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its steps by print
        dataset = COCO()
        dataset.dataset = _dataset(truth)
        dataset.createIndex()
        evaluation = COCOeval(dataset, dataset.loadRes(found), "bbox" if kind == "box" else "segm")
        evaluation.params.iouThrs = np.array([iou])
        evaluation.params.areaRng = [[0, LARGEST_AREA]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.params.maxDets = [MOST_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval[
        "precision"
    ]  # (thresholds, recalls, classes, areas, limits); -1: class absent
    return float(precision[precision >= 0].mean())


def _dataset(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Write the scenes' truth as a COCO data set, image ids 0, 1, ..; ignored objects as crowds."""
    annotations: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes):
        for mask, box, class_id, ignored in zip(
            scene.masks, scene.boxes.tolist(), scene.class_ids, scene.ignored, strict=True
        ):
            x1, y1, x2, y2 = box
            annotations.append(
                {
                    "id": len(annotations) + 1,  # COCOeval takes 0 for "no match"
                    "image_id": image_id,
                    "category_id": int(class_id),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": int(mask.sum()),
                    "segmentation": rle.encode(np.asfortranarray(mask, np.uint8)),
                    "iscrowd": int(ignored),
                }
            )
    return {
        "info": {},
        "images": [
            {"id": i, "height": scene.labels.shape[0], "width": scene.labels.shape[1]}
            for i, scene in enumerate(scenes)
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASS_NAMES) if i > 0],
    }
