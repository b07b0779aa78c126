"""`edgeseg export` takes what users have: few classes, own functions, images of any shape."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeseg.cli import status_of
from edgeseg.graph.portable import PortableModel
from edgeseg.models.unet import UNet

SMALL = ["--size", "32x48"]
OWN = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))

def build_paper():
    from edgeseg.models.unet import UNet
    return UNet(2, in_channels=1, width=4, depth=2, border="mirror", batch_norm=False, bias=True)

def build_any(num_classes):
    return nn.Conv2d(3, num_classes, 1)
"""


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("background\ncell\n")
    return path


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return str(path)


def save_unet(path: Path, num_classes: int = 2, **parameters: int) -> Path:
    torch.manual_seed(0)
    torch.save(UNet(num_classes, width=4, depth=2, **parameters).state_dict(), path)
    return path


def export(model: str, output: Path, *arguments: str | Path) -> int:
    return status_of(["export", model, *SMALL, *map(str, arguments), "-o", str(output)])


def test_a_binary_unet_has_two_names(tmp_path: Path, names: Path) -> None:
    weights, model = save_unet(tmp_path / "w.pth", num_classes=1), tmp_path / "model.onnx"
    assert export("unet", model, "--weights", weights, "--classes", names) == 0
    assert PortableModel.read(model).spec.class_names == ("background", "cell")


def test_a_filter_that_is_not_told_is_named_as_guessed(
    tmp_path: Path, own: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.onnx"
    assert export(f"{own}:build", model) == 0
    assert "resized by the linear filter, which is a guess" in capfd.readouterr().err
    assert status_of(["inspect", str(model)]) == 0
    assert "linear, guessed" in capfd.readouterr().out
    assert export(f"{own}:build", model, "--resize-filter", "pil") == 0
    assert "guess" not in capfd.readouterr().err
    image = PortableModel.read(model).spec.input
    assert (image.resize_filter, image.resize_filter_known) == ("pil", True)
    assert status_of(["inspect", "--json", str(model)]) == 0
    assert json.loads(capfd.readouterr().out)["resize_filter"] == "pil"


def test_names_that_do_not_fit_the_network_are_counted(
    tmp_path: Path, names: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = save_unet(tmp_path / "w.pth", num_classes=3)
    assert export("unet", tmp_path / "model.onnx", "--weights", weights, "--classes", names) == 2
    assert "knows 3 classes, background among them, but 2 names" in capfd.readouterr().err


def test_an_own_function_gets_the_number_of_classes_only_if_it_is_asked_for(
    tmp_path: Path, own: str, names: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.onnx"
    assert export(f"{own}:build", model, "--classes", names) == 0
    assert export(f"{own}:build_any", model, "--num-classes", "2", "--classes", names) == 0
    assert export(f"{own}:build", model, "--num-classes", "2") == 2
    assert "'num_classes'" in capfd.readouterr().err


def test_what_a_checkpoint_holds_besides_the_network_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plain, other = (torch.load(save_unet(tmp_path / "w.pth"), weights_only=True) for _ in range(2))
    other["outc.conv.bias"] += 1
    weights = {f"one.{key}": value for key, value in plain.items()}
    weights |= {f"two.{key}": value for key, value in other.items()}
    torch.save({"state_dict": {**weights, "criterion.weight": torch.ones(2)}}, tmp_path / "w.ckpt")
    model = tmp_path / "model.onnx"
    assert export("unet", model, "--weights", tmp_path / "w.ckpt") == 1
    assert "under one. and two.; choose by --prefix" in capfd.readouterr().err
    assert export("unet", model, "--weights", tmp_path / "w.ckpt", "--prefix", "two") == 0
    assert "left out: one.* (56), criterion.weight; 57 tensors of" in capfd.readouterr().err
    assert status_of(["inspect", str(tmp_path / "w.ckpt"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["classes"] == 2


def test_an_own_function_gets_the_arguments_in_its_name(
    tmp_path: Path, own: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.onnx"
    assert export(f"{own}:build_any?num_classes=4", model) == 0
    assert len(PortableModel.read(model).spec.class_names) == 4
    assert PortableModel.read(model).spec.source.network == f"{own}:build_any?num_classes=4"
    assert export(f"{own}:build_any?num_classes=4&depth=3", model) == 2
    assert "'depth'; they are (num_classes)" in capfd.readouterr().err


def test_a_grey_unet_is_exported_and_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    weights, model = save_unet(tmp_path / "w.pth", in_channels=1), tmp_path / "model.onnx"
    assert export("unet", model, "--weights", weights, "--mean", "0.5", "--std", "0.25") == 0
    pixels = "grey (0.299 R + 0.587 G + 0.114 B) in 0..1, mean 0.5,0.5,0.5, std 0.25,0.25,0.25"
    assert pixels in capfd.readouterr().err
    assert status_of(["inspect", str(model), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["normalisation"] == pixels


def test_the_papers_unet_comes_by_an_own_function(tmp_path: Path, own: str) -> None:
    form = {"in_channels": 1, "batch_norm": False, "bias": True}
    weights, model = save_unet(tmp_path / "w.pth", **form), tmp_path / "model.onnx"
    assert (
        status_of(
            ["export", f"{own}:build_paper", "--weights", str(weights), "--size", "64x64", "-o", str(model)]
        )
        == 0
    )
    graph = PortableModel.read(model).spec.graph
    assert (graph.network_channel_order, graph.std_rgb) == ("grey", (1.0, 1.0, 1.0))


def test_mean_and_deviation_of_bytes_are_refused_until_their_form_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights, model = save_unet(tmp_path / "w.pth"), tmp_path / "model.onnx"
    bytes_ = ["--mean", "103.53,116.28,123.675", "--std", "57.375,57.12,58.395", "--channel-order", "bgr"]
    assert export("unet", model, "--weights", weights, *bytes_) == 2
    refused = capfd.readouterr().err
    assert "((x - mean) / std) / 255, --divide-by-255 after" in refused
    for form, shown in (("never", ""), ("after", ", then divided by 255")):
        assert export("unet", model, "--weights", weights, *bytes_, "--divide-by-255", form) == 0
        pixels = f"BGR in 0..255, mean 103.53,116.28,123.675, std 57.375,57.12,58.395 (blue first){shown}"
        assert pixels in capfd.readouterr().err
        assert status_of(["inspect", str(model), "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["normalisation"] == pixels
        assert PortableModel.read(model).spec.graph.mean_rgb == pytest.approx((0.485, 0.456, 0.406))


def test_the_form_of_a_normalisation_needs_its_numbers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = save_unet(tmp_path / "w.pth")
    for given in ([], ["--mean", "128"]):
        options = ["--weights", weights, "--divide-by-255", "never", *given]
        assert export("unet", tmp_path / "model.onnx", *options) == 2
        assert "give both" in capfd.readouterr().err


def test_images_are_seen_as_the_runtime_sees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def note(network: object, output: Path, settings: object, *, images: np.ndarray, on_step: object) -> None:
        seen.append(images)
        raise KeyboardInterrupt

    monkeypatch.setattr("edgeseg.export.exporter.export_network", note)
    weights, image = save_unet(tmp_path / "w.pth"), tmp_path / "image.png"
    cv2.imwrite(str(image), np.full((32, 32, 3), 200, np.uint8))
    options = ["--resize", "letterbox", "--mean", "0.2", "--images", str(image)]
    export("unet", tmp_path / "model.onnx", "--weights", weights, *options)
    (images,) = seen
    assert images.shape == (1, 32, 48, 3)
    assert (images[0, :, 8:40] == 200).all()
    assert (images[0, :, :8] == 51).all()  # the bars have the mean's colour


def test_build_takes_a_folder_to_calibrate_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    weights, model, engine = save_unet(tmp_path / "unet.pth"), tmp_path / "unet.onnx", tmp_path / "engine"
    assert status_of(["export", "unet", "--weights", str(weights), *SMALL, "-o", str(model)]) == 0
    images = tmp_path / "images"
    images.mkdir()
    for seed in range(5):
        cv2.imwrite(str(images / f"{seed}.png"), np.random.default_rng(seed).integers(0, 256, (40, 60, 3)))
    common = [
        "build",
        str(model),
        "-o",
        str(engine),
        "--threads",
        "1",
        "--precision",
        "int8",
        "--max-drop",
        "99",
    ]
    assert status_of(common) == 2
    cache = tmp_path / "ranges.json"
    assert status_of([*common, "--calibration", str(images), "--calibration-cache", str(cache)]) == 0
    assert "int8: 10 of 13 layers" in capfd.readouterr().out
    assert json.loads(cache.read_text())["measured"]
    assert status_of(["inspect", str(engine), "--json"]) == 0
    described = json.loads(capfd.readouterr().out)
    assert described["calibration"] == "5 images, entropy"
    assert described["layers_built"] == described["layers_asked"] == {"int8": 10, "fp32": 3}
