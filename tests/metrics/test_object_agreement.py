"""Errors of objects, pair by pair, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.metrics.object_agreement import (
    Instances,
    ObjectErrors,
    box_iou,
    mask_iou,
    match,
    score_weighted_f1,
)


def instances(*rows: tuple[float, float, int], width: float = 100.0) -> Instances:
    """One 100 pixel high box for each (left edge, score, class)."""
    boxes = [(left, 0.0, left + width, 100.0) for left, _, _ in rows]
    return Instances(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array([score for _, score, _ in rows], np.float32),
        class_ids=np.array([class_id for _, _, class_id in rows], np.int64),
        masks=np.full((len(rows), 2, 2), 0.9, np.float32),
    )


@pytest.mark.parametrize("side", [np.nan, np.inf, -np.inf, 3e38])
def test_boxes_that_are_not_finite_overlap_nothing(side: float) -> None:
    odd = np.array([[0.0, 0.0, side, side]], np.float32)
    with np.errstate(all="ignore"):
        iou = box_iou(odd, np.array([[0.0, 0.0, 1.0, 1.0]], np.float32))
    assert iou[0, 0] == pytest.approx(0.0, abs=1e-9)


def errors(reference: Instances, candidate: Instances, max_detections: int | None = None) -> ObjectErrors:
    result = ObjectErrors(0.5, score_margin=0.01, mask_margin=0.01, max_detections=max_detections)
    result.add(reference, candidate)
    return result


def test_box_iou_by_hand() -> None:
    a = np.array([[0, 0, 2, 2], [5, 5, 5, 5]], np.float32)
    b = np.array([[1, 1, 3, 3], [0, 0, 2, 2], [np.nan, 0, 1, 1]], np.float32)
    np.testing.assert_allclose(box_iou(a, b), [[1 / 7, 1, 0], [0, 0, 0]])


def test_equal_scores_may_swap_their_order() -> None:
    first = instances((0, 0.9, 1), (50, 0.9, 1))
    assert match(first, instances((50, 0.9, 1), (0, 0.9, 1))).tolist() == [[0, 1], [1, 0]]


def test_a_pair_has_one_class_and_nearly_one_box() -> None:
    assert not len(match(instances((0, 0.9, 1)), instances((0, 0.9, 2))))
    assert not len(match(instances((0, 0.9, 1)), instances((1, 0.9, 1))))  # IoU 99 / 101
    assert len(match(instances((0, 0.9, 1)), instances((0.1, 0.9, 1))))
    assert not len(match(instances(), instances((0, 0.9, 1))))


def test_missed_extra_and_errors_of_pairs() -> None:
    found = errors(
        instances((0, 0.9, 1), (200, 0.8, 1)), instances((0.1, 0.85, 1), (400, 0.7, 1), (600, 0.6, 1))
    )
    assert (found.detections, found.matched, found.missed, found.extra) == (2, 1, 1, 2)
    assert found.max_score == pytest.approx(0.05)
    assert found.max_box_px == pytest.approx(0.1)
    assert (found.max_mask, found.min_mask_iou, found.borderline) == (0.0, 1.0, 0)


def test_a_score_that_is_not_a_number_is_infinitely_wrong() -> None:
    assert errors(instances((0, 0.9, 1)), instances((0, np.nan, 1))).max_score == np.inf
    assert errors(instances(), instances((0, np.nan, 1))).extra == 1


def test_detections_at_the_threshold_are_borderline() -> None:
    found = errors(instances((0, 0.9, 1), (200, 0.505, 1)), instances((0, 0.9, 1)))
    assert (found.missed, found.borderline) == (0, 1)


def test_detections_at_the_last_place_are_borderline_only_if_all_places_are_taken() -> None:
    reference, candidate = instances((0, 0.9, 1), (200, 0.70, 1)), instances((0, 0.9, 1), (400, 0.695, 1))
    full = errors(reference, candidate, max_detections=2)
    assert (full.missed, full.extra, full.borderline) == (0, 0, 2)
    roomy = errors(reference, candidate, max_detections=3)
    assert (roomy.missed, roomy.extra, roomy.borderline) == (1, 1, 0)


def test_mask_errors_by_hand() -> None:
    reference, candidate = instances((0, 0.9, 1)), instances((0, 0.9, 1))
    reference.masks[0] = [[0.9, 0.9], [0.1, 0.501]]
    candidate.masks[0] = [[0.9, 0.3], [0.1, 0.499]]  # one pixel flips, one is undecided
    found = errors(reference, candidate)
    assert found.max_mask == pytest.approx((0.6 + 0.002) / 4)
    assert found.min_mask_iou == pytest.approx(2 / 3)


def test_mask_iou_by_hand() -> None:
    first = np.array([[True, True], [False, False]])
    second = np.array([[True, False], [True, False]])
    assert mask_iou(first, second) == pytest.approx(1 / 3)
    assert mask_iou(~first & first, ~second & second) == 1.0


def test_f1_weighs_every_object_by_its_score() -> None:
    reference, candidate = instances((0, 0.9, 1), (200, 0.1, 1)), instances((0, 0.7, 1), (400, 0.3, 1))
    # found: 0.9 + 0.7; missed 0.1, extra 0.3
    assert score_weighted_f1([reference], [candidate]) == pytest.approx(1.6 / 2.0)
    candidate.masks[0] = 0.1  # its box is right, its mask is empty
    assert score_weighted_f1([reference], [candidate]) == 0.0


def test_f1_of_nothing_and_nothing_is_one() -> None:
    assert score_weighted_f1([instances()], [instances()]) == 1.0
    assert score_weighted_f1([instances(), instances((0, 0.9, 1))], [instances(), instances()]) == 0.0
