"""Compare two sets of detections of one image as sets: near-equal scores may swap ranks."""

from __future__ import annotations

from torch import Tensor
from torchvision.ops import box_iou

MIN_IOU = 0.99
SCORE_TOLERANCE = 1e-3
MASK_TOLERANCE = 1e-3  # mean absolute difference of probabilities

Image = tuple[Tensor, Tensor, Tensor, Tensor]  # boxes (D, 4), scores (D,), class_ids (D,), masks (D, M, M)


def assert_same_detections(actual: Image, expected: Image) -> None:
    """Match each expected detection to the best free one of its class, and require that all have one."""
    boxes, scores, class_ids, masks = actual
    assert len(scores) == len(expected[1])
    if len(scores) == 0:
        return
    overlap = box_iou(expected[0], boxes) * (expected[2][:, None] == class_ids[None])
    for row in range(len(expected[1])):
        iou, match = overlap[row].max(dim=0)
        assert iou > MIN_IOU, f"detection {row} (class {expected[2][row]}) has no partner: best IoU {iou:.4f}"
        assert abs(scores[match] - expected[1][row]) < SCORE_TOLERANCE
        assert (masks[match] - expected[3][row]).abs().mean() < MASK_TOLERANCE
        overlap[:, match] = -1
