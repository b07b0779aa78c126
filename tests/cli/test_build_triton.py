"""`edgeseg build --target triton` writes repositories, and refuses what they cannot be."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgeseg.cli import status_of
from edgeseg.scenes.pictures import picture
from tests.export import small_networks
from tests.exported_models import ExportedModels


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


def test_a_repository_is_built_for_a_server_and_not_packed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["build", str(model), "--target", "triton", "-o", str(tmp_path / "repository")]
    assert status_of([*command, "--package"]) == 2
    assert "are not for --target triton" in capsys.readouterr().err
    assert status_of([*command, "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "parity passed" in said
    assert f"clients call {model.stem.replace('.', '_')}" in said
    assert status_of([*command, "--precision", "int8"]) == 2
    assert "give --calibration" in capsys.readouterr().err
    assert status_of([*command, "--calibration", str(tmp_path)]) == 2
    assert "--calibration is for fp16 and int8" in capsys.readouterr().err


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("second", ["mnn", "auto", "web"])
def test_two_targets_are_refused_in_either_order(
    second: str, order: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [["--target", "triton"], ["--backend", second]][::order]
    assert status_of(["build", "unet.onnx", *flags[0], *flags[1], "-o", str(tmp_path / "built")]) == 2
    named = " and ".join(["triton", second][::order])
    assert f"are two names of one option, got {named}; give one" in capsys.readouterr().err
    assert not (tmp_path / "built").exists()


def test_a_repository_may_name_the_backend_of_its_network(model: Path, tmp_path: Path) -> None:
    both = ["--target", "triton", "--backend", "onnxruntime", "--threads", "1"]
    assert status_of(["build", str(model), *both, "-o", str(tmp_path / "repository")]) == 0
    assert list((tmp_path / "repository").glob("*_network/1/model.onnx"))


def test_a_package_of_another_backend_is_no_repository_without_a_word(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package, folder = str(tmp_path / "unet.edgeseg"), str(tmp_path / "repository")
    for_intel = ["--backend", "openvino", "--device", "gpu"]
    assert status_of(["build", str(model), "--package", *for_intel, "-o", package]) == 0
    assert status_of(["build", package, "--target", "triton", "-o", folder]) == 2
    assert "was packed for something else than a repository" in capsys.readouterr().err
    assert status_of(["build", package, "--target", "triton", "--device", "cpu", "-o", folder]) == 0
    assert (tmp_path / "repository" / "unet" / "1" / "spec.json").exists()


def int8_of(folder: Path) -> list[str]:
    """Give what asks for int8, with pictures of ours to choose ranges by."""
    images = folder / "images"
    images.mkdir()
    for seed in range(4):
        cv2.imwrite(str(images / f"{seed}.png"), picture(seed, small_networks.SIZE_HW))
    return ["--precision", "int8", "--max-drop", "100", "--calibration", str(images)]


def test_a_package_of_int8_becomes_a_repository(model: Path, tmp_path: Path) -> None:
    package, folder = str(tmp_path / "unet.edgeseg"), str(tmp_path / "repository")
    pack = ["build", str(model), "--package", "--backend", "onnxruntime", "-o", package]
    assert status_of([*pack, *int8_of(tmp_path)]) == 0
    assert status_of(["build", package, "--target", "triton", "-o", folder]) == 0
    network = tmp_path / "repository" / "unet_network"
    assert b"QuantizeLinear" in (network / "1" / "model.onnx").read_bytes()
    assert "KIND_CPU" in (network / "config.pbtxt").read_text()


@pytest.mark.minutes
def test_ranges_of_another_backend_are_chosen_anew_for_a_repository(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package, folder = str(tmp_path / "unet.edgeseg"), str(tmp_path / "repository")
    int8 = int8_of(tmp_path)
    assert status_of(["build", str(model), "--package", "--backend", "openvino", *int8, "-o", package]) == 0
    assert status_of(["build", package, "--target", "triton", "-o", folder]) == 1
    assert "choose them here, with --calibration, or pack for --backend" in capsys.readouterr().err
    assert status_of(["build", package, "--target", "triton", *int8, "-o", folder]) == 0
    assert "parity passed" in capsys.readouterr().out
