"""The shipped checkpoints reach the promised accuracy as engines, and the report holds what it should."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edgeseg.cli import status_of
from edgeseg.demo.crf_picture import TITLE_PX
from edgeseg.demo.showcase import CHECKPOINTS, NETWORKS, overview
from edgeseg.errors import SinkError
from edgeseg.manifest import read_manifest
from edgeseg.scenes.scene import PALETTE_RGB

MAX_BYTES = 6_000_000  # of all checkpoints, which travel in the wheel of every device
LEAST = {"miou": 0.85, "box_ap50": 0.75, "mask_ap50": 0.70}
FRAMES = 6
REFINED = re.compile(r"DeepLab, 20 scenes: mIoU (.+) -> (.+), boundary F \(2 px\) (.+) -> (.+) with the CRF")
LEAST_GAIN = {"miou": 1.5, "boundary_f": 2.0}  # points; 2.4 and 3.1 were found


def test_the_checkpoints_are_small() -> None:
    assert sum((CHECKPOINTS / f"{name}.safetensors").stat().st_size for name in NETWORKS) <= MAX_BYTES


def test_an_overview_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    picture = tmp_path / "unet.png"
    cv2.imwrite(str(picture), np.zeros((240, 320, 3), np.uint8))
    walked = SimpleNamespace(files={"picture": picture})
    overview([walked], tmp_path / "overview.png")
    assert cv2.imread(str(tmp_path / "overview.png")).shape == (240, 640, 3)
    with pytest.raises(SinkError, match="cannot write"):
        overview([walked], picture / "overview.png")


@pytest.mark.slow
def test_the_demo_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    assert status_of(["demo", "--frames", str(FRAMES), "-o", str(tmp_path), "--json", str(report)]) == 0
    reports = json.loads(report.read_text())
    assert [one["network"] for one in reports] == list(NETWORKS)
    for one in reports:
        assert one["parity"]["passed"]
        for name, value in one["accuracy"].items():
            assert LEAST[name] <= value <= 1, (one["network"], name)
        for times in (one["infer_ms"], one["latency_ms"]):
            assert 0 < times["p50"] <= times["p90"] <= times["p99"]
        assert one["fps"] > 0
        assert read_manifest(Path(one["files"]["engine"])).spec.palette_rgb == PALETTE_RGB
        assert cv2.VideoCapture(one["files"]["video"]).get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    assert cv2.imread(str(tmp_path / "overview.png")).shape == (480, 640, 3)
    assert cv2.imread(str(tmp_path / "crf.png")).shape == (TITLE_PX + 480, 1280, 3)
    found = REFINED.search(capsys.readouterr().out)
    assert found is not None
    miou, refined_miou, boundary_f, refined_boundary_f = map(float, found.groups())
    assert refined_miou >= miou + LEAST_GAIN["miou"]
    assert refined_boundary_f >= boundary_f + LEAST_GAIN["boundary_f"]
