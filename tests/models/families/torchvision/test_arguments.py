"""What is said in torchvision's words becomes edgeseg's, and what is none of it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from edgeseg.errors import UsageError
from edgeseg.models.families.torchvision import arguments


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (800, 1066)),  # torchvision resizes 480x640 so
        ({"min_size": 480, "max_size": 640}, (480, 640)),
        ({"min_size": (640, 672, 704)}, (704, 938)),
        ({"max_size": 640}, (480, 640)),
        ({"min_size": 600, "max_size": 600}, (450, 600)),
    ],
)
def test_sizes(given: dict[str, Any], expected: tuple[int, int]) -> None:
    assert arguments.size_hw(given) == expected


def test_limits_get_our_names() -> None:
    assert arguments.limits({"box_score_thresh": 0.3, "rpn_pre_nms_top_n_test": 50, "min_size": 3}) == {
        "score_threshold": 0.3,
        "rpn_pre_nms": 50,
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"anchor_sizes": (16, 32)}, {"anchor_sizes": ((16,), (32,))}),
        ({"anchor_sizes": ((16, 24), (32, 48))}, {"anchor_sizes": ((16, 24), (32, 48))}),
        ({"aspect_ratios": (0.5, 1)}, {"aspect_ratios": (0.5, 1)}),
        ({"aspect_ratios": ((0.5, 1), (0.5, 1))}, {"aspect_ratios": (0.5, 1)}),
    ],
)
def test_anchors_in_every_form_that_torchvision_takes(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert arguments.anchors(given) == expected


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (arguments.size_hw, {"min_size": "large"}),
        (arguments.size_hw, {"max_size": 0}),
        (arguments.limits, {"box_score_thresh": 2}),
        (arguments.limits, {"box_detections_per_img": 1.5}),
        (arguments.anchors, {"anchor_sizes": 32}),
        (arguments.anchors, {"anchor_sizes": ((32,), ())}),
        (arguments.anchors, {"aspect_ratios": ((0.5,), (1.0,))}),
        (arguments.anchors, {"aspect_ratios": (0.5, -1)}),
        (arguments.norm_eps, {"norm_eps": -1}),
        (lambda given: arguments.numbers_per_channel(given, "image_mean", 3), {"image_mean": (0.5, 0.5)}),
    ],
)
def test_what_is_no_such_value_is_refused(read: Any, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(given))} must be"):
        read(given)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="'box_score_treshold'; did you mean box_score_thresh"):
        arguments.check_names(["box_score_treshold"], arguments.OF_DETECTORS, "torchvision:MaskRCNN")
