"""Compute the average precision of found objects by COCO's own evaluation (pycocotools).

Lin et al., "Microsoft COCO", 2014: precision interpolated at 101 recalls, averaged over these and then over
the classes that the truth shows. `edgeseg` reports it at one threshold of IoU, 0.5 (AP50).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from edgeseg.errors import UsageError
from edgeseg.metrics.coco_evaluation import CocoEvaluation

MATCH_IOU = 0.5


class TrueObjects(Protocol):
    """What is true of one image, such as a `Scene`.

    Attributes:
        masks: (K, H, W) visible pixels of each object.
        boxes: (K, 4) xyxy pixels around them.
        class_ids: (K,) from 1 up.
        ignored: (K,) finding it counts neither way; COCO's `iscrowd`.
    """

    @property
    def masks(self) -> NDArray[np.bool_]: ...

    @property
    def boxes(self) -> NDArray[np.float32]: ...

    @property
    def class_ids(self) -> NDArray[np.int64]: ...

    @property
    def ignored(self) -> NDArray[np.bool_]: ...


def average_precision(
    results: Sequence[Sequence[Mapping[str, Any]]],
    truth: Sequence[TrueObjects],
    kind: Literal["box", "mask"],
    iou: float = MATCH_IOU,
) -> float:
    """Mean over the classes of COCO's average precision at one IoU threshold, 0..1.

    Args:
        results: for each image its objects in the COCO results format: `category_id`, `bbox` (x, y, width,
            height), `score` and, for masks, `segmentation` as run-length encoding; `image_id` is not read.
        truth: of each image, as many; classes that it never shows do not count.
        kind: compare boxes or masks.
        iou: least overlap of a match.

    Raises:
        UsageError: if there are not as many results as images, or nothing to find in these.
    """
    if len(results) != len(truth):
        raise UsageError(
            f"results of {len(results)} images cannot be compared with the truth of {len(truth)}"
        )
    if not any(len(image.class_ids) for image in truth):
        raise UsageError("the images hold no objects, so precision is not defined")
    sizes = [(image.masks.shape[1], image.masks.shape[2]) for image in truth]
    annotations = [_annotations(image) for image in truth]
    return CocoEvaluation(results, annotations, sizes, kind, thresholds=(iou,)).figures()["ap"]


def _annotations(image: TrueObjects) -> list[dict[str, Any]]:
    """Write what is true of one image as COCO annotations; ignored objects as crowds."""
    return [
        {
            "category_id": int(class_id),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": int(mask.sum()),
            "segmentation": rle.encode(np.asfortranarray(mask, np.uint8)),
            "iscrowd": int(ignored),
        }
        for mask, (x1, y1, x2, y2), class_id, ignored in zip(
            image.masks, image.boxes.tolist(), image.class_ids, image.ignored, strict=True
        )
    ]
