"""The dense lowering finds what torchvision's eager Mask R-CNN R50-FPN finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export.dense_agreement import agreements


@pytest.mark.parametrize(
    ("batch", "detections"),
    [
        pytest.param(1, 5, marks=pytest.mark.slow),
        *(
            pytest.param(*case, marks=pytest.mark.minutes)
            for case in ((1, 0), (1, 100), (3, 0), (3, 5), (3, 100))
        ),
    ],
)
def test_the_dense_network_finds_what_torchvision_finds(batch: int, detections: int, tmp_path: Path) -> None:
    """Random weights, arranged to score objects apart in the first image, are steeper than trained ones.

    In the others a proposal may lie on the suppression threshold to the last digit, and go either way.

    Sizes of 480x640 and 800x1088 take minutes: `python -m benchmarks.dense_agreement`.
    """
    for agreement in agreements((256, 320), batch, detections, tmp_path):
        errors = agreement.errors
        assert abs(agreement.found[0] - detections) <= 1, agreement
        assert errors.missed + errors.extra <= 1 + errors.detections // 100, agreement
        assert errors.max_score < 3e-3, agreement
        assert errors.max_box_px < 0.5, agreement
        assert errors.min_mask_iou > 0.98, agreement
