"""Networks as they are deployed build in TensorRT for RTX, in every precision, without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.full_size_engines import MASK_RCNN, PRECISIONS, export, measure

pytest.importorskip("tensorrt_rtx")

MINUTES = ("unet", "deeplabv3_resnet50", MASK_RCNN)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("deeplabv3_mobilenet_v3_large", marks=pytest.mark.slow),
        *(pytest.param(name, marks=pytest.mark.minutes) for name in MINUTES),
    ],
)
def test_it_parses_and_builds(name: str, tmp_path: Path) -> None:
    model = export(name, tmp_path)
    for precision in PRECISIONS:
        row = measure(model, tmp_path / precision, precision, "8.6")
        assert row.outcome == "parsed and built", precision
        assert row.megabytes > 0
