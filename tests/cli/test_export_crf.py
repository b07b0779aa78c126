"""`edgeseg export --crf` puts a CRF with the parameters that are asked for into the graph, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from edgeseg.cli import status_of
from edgeseg.cli.crf_options import CRF_STRIDES
from edgeseg.export.crf import STRIDES
from edgeseg.graph.portable import PortableModel
from edgeseg.models.unet import UNet
from edgeseg.spec import CRFSpec


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "unet.pth"
    torch.save(UNet(2, width=4, depth=2).state_dict(), path)
    return path


def export(weights: Path, output: Path, *arguments: str) -> int:
    size = ["--size", "32x48"]
    return status_of(["export", "unet", "--weights", str(weights), *size, *arguments, "-o", str(output)])


def test_the_strides_are_those_of_the_export() -> None:
    assert CRF_STRIDES == STRIDES


def test_a_crf_of_given_parameters(weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.onnx"
    changed = ["--crf-parameter", "appearance_colour=3", "--crf-parameter", "height=64"]
    assert export(weights, model, "--crf", "--crf-stride", "8", *changed) == 0
    spec = PortableModel.read(model).spec
    assert spec.crf == CRFSpec(64, appearance_colour=3.0)
    assert spec.graph.crf_stride == 8
    capfd.readouterr()
    assert status_of(["inspect", str(model), "--json"]) == 0
    said = json.loads(capfd.readouterr().out)["crf"]
    assert said.startswith("in the graph, at stride 8, 5 iterations; appearance 80 px, 3 levels, weight 10;")


def test_widths_hold_for_the_input_by_default_and_without_a_crf_inspect_says_so(
    weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert export(weights, tmp_path / "crf.onnx", "--crf") == 0
    assert PortableModel.read(tmp_path / "crf.onnx").spec.crf == CRFSpec(32)
    assert export(weights, tmp_path / "plain.onnx") == 0
    capfd.readouterr()
    assert status_of(["inspect", str(tmp_path / "plain.onnx"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["crf"] == "not in the graph"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--crf", "--crf-parameter", "colour=3"], "'colour' is no parameter of the CRF; there are height,"),
        (["--crf", "--crf-parameter", "iterations=2.5"], "'2.5' is not a whole number; write iterations=5"),
        (
            ["--crf", "--crf-parameter", "appearance_colour=0"],
            "appearance_colour must be above 0 and at most 1e+30, got 0",
        ),
        (["--crf-parameter", "iterations=2"], "no CRF asked for; add --crf"),
        (["--crf-stride", "4"], "no CRF asked for; add --crf"),
    ],
)
def test_what_has_no_meaning_is_a_usage_error(
    weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert export(weights, tmp_path / "model.onnx", *arguments) == 2
    assert message in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "model.onnx").exists()
