"""`edgeseg tune` on a small network: an engine with its report, the table, the picture, and a second run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import pytest

from edgeseg.cli import status_of
from edgeseg.manifest import read_manifest
from edgeseg.scenes.pictures import picture
from edgeseg.tune.report import read_tuning
from tests.cli.error_lines import error_line
from tests.export import small_networks
from tests.exported_models import ExportedModels

IMAGES = 4
ONE_ENGINE = ("--backend", "onnxruntime", "--precision", "fp32", "--no-passes", "--threads", "1")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(IMAGES):
        cv2.imwrite(str(folder / f"{seed}.png"), picture(seed, (48, 72), 3))
    return folder


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet, output_kind="labels").path


@pytest.fixture
def asked(tmp_path: Path, model: Path, images: Path) -> list[object]:
    return [model, "--images", images, *ONE_ENGINE, "-o", tmp_path / "engine"]


def tune(*arguments: object) -> int:
    return status_of(["tune", *map(str, arguments)])


def test_the_engine_that_is_kept_carries_its_report(
    tmp_path: Path, asked: list[object], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, plot = tmp_path / "engine", tmp_path / "plot.svg"
    assert tune(*asked, "--plot", plot, "--json", "-") == 0
    told = json.loads(capsys.readouterr().out)
    (one,) = told["candidates"]
    assert (one["backend"], one["precision"], one["verdict"]) == ("onnxruntime", "fp32", "kept")
    assert (one["accuracy"], one["drop_points"], told["images"]) == (pytest.approx(100), 0, IMAGES)
    assert told["complete"]
    assert one["memory_mb"] > 10
    assert one["options"]["intra_op_threads"] == 1
    manifest = read_manifest(engine, check_files=True)
    kept = read_tuning(engine, manifest)
    assert kept is not None
    assert kept.kept.latency_ms == one["latency_ms"]
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    assert status_of(["verify", str(engine)]) == 0
    capsys.readouterr()
    assert status_of(["inspect", str(engine)]) == 0
    assert "mIoU against the fp32 model" in " ".join(capsys.readouterr().out.split())

    def not_again(*_: object, **__: object) -> None:
        raise AssertionError("it was made before")

    monkeypatch.setattr("edgeseg.tune.making.build_engine", not_again)
    monkeypatch.setattr("edgeseg.tune.timing.visit", not_again)
    assert tune(*asked) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"{one['latency_ms']:.1f}" in out
    assert "* onnxruntime fp32" in out


def test_time_that_is_too_short_is_told_with_what_to_do(
    tmp_path: Path, asked: list[object], capsys: Any
) -> None:
    assert tune(*asked, "--budget", "0.001s") == 1
    line = error_line(capsys)
    assert "too short to make and time an engine" in line
    assert "--budget" in line
    assert not (tmp_path / "engine").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sizes", "32x48"], "no model takes 32x48"),
        (["--budget", "20"], "20m or 1.5h"),
        (["--plot", "plot.gif"], "a picture ends in .svg or .png"),
        (["--map-label", "255=1"], "are for --labels"),
        (["--images", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_what_cannot_be_had_is_wrong_usage(
    asked: list[object], capsys: Any, arguments: list[str], said: str
) -> None:
    *_, engine = asked
    assert tune(*asked, *arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not Path(str(engine)).exists()
