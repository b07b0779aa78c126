"""`edgeseg inspect` of trained weights: what they are, and the command that exports them."""

from __future__ import annotations

import json
import pickle
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner

from edgeseg.cli import app
from edgeseg.models.unet import UNet
from tests.models.families.random_weights import detectron2_name, drawn, layer_shapes, mmdet_name


def _inspected(path: Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_checkpoint_says_what_it_is_and_how_to_export_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained = {f"model.{name}": tensor for name, tensor in UNet(3, width=4, depth=2).state_dict().items()}
    torch.save({"state_dict": trained}, "my weights.ckpt")

    found = _inspected(Path("my weights.ckpt"))

    assert found["architecture"] == "unet"
    assert (found["classes"], found["heads"], found["strides"]) == (3, ["output: 3 channels"], [1])
    assert found["preprocessing"]["pixels"].startswith("RGB in 0..1, mean 0,0,0, std 1,1,1 (said by ")
    assert found["preprocessing"]["resize filter"] == "nobody says it: give it"
    command = shlex.split(found["export"])
    assert command[:3] == ["edgeseg", "export", "auto"]
    command[command.index("--size") + 1] = "32x32"
    assert CliRunner().invoke(app, command[1:]).exit_code == 0
    assert Path("my weights.onnx").is_file()


def test_a_folder_of_weights_is_no_engine(tmp_path: Path) -> None:
    torch.save(UNet(3, width=4, depth=2).state_dict(), tmp_path / "w.pth")
    found = _inspected(tmp_path)
    assert (found["kind"], found["architecture"]) == ("checkpoint", "unet")


def test_what_nobody_knows_gets_the_closest_and_the_way(tmp_path: Path) -> None:
    weights = UNet(3, width=4).state_dict()
    renamed = {name.replace("outc.", "final."): tensor for name, tensor in weights.items()}
    torch.save({**renamed, "gate.weight": torch.ones(2, 2, 1, 1)}, tmp_path / "w.pth")
    found = _inspected(tmp_path / "w.pth")
    assert found["family"] == "not recognised"
    assert any("final." in text and "outc." in text for text in found["closest"].values())
    assert "file.py:function" in found["way"]


def test_an_adapter_says_why_it_is_not_exported(tmp_path: Path) -> None:
    torch.save({"base_model.model.conv.lora_A.default.weight": torch.ones(2, 2)}, tmp_path / "w.pth")
    assert "merge_and_unload" in _inspected(tmp_path / "w.pth")["not_exported"]


def _exports(found: dict[str, Any], size: str) -> bool:
    """Tell whether the command that is shown works as it stands, at a small size."""
    command = shlex.split(found["export"])
    command[command.index("--size") + 1] = size
    result = CliRunner().invoke(app, command[1:])
    return result.exit_code == 0 and Path(command[command.index("-o") + 1]).is_file()


def test_a_pickle_of_detectron2_says_what_it_is_and_how_to_export_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = drawn(layer_shapes(), detectron2_name)
    weights[detectron2_name("stem.weight")] /= 64  # drawn for pixels of deviation 1
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    Path("model_final.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "me"}, protocol=2))
    rpn = {"PRE_NMS_TOPK_TEST": 50, "POST_NMS_TOPK_TEST": 40}
    settings = {"MODEL": {"RPN": rpn, "RESNETS": {"STRIDE_IN_1X1": True}}, "INPUT": {"FORMAT": "BGR"}}
    Path("config.yaml").write_text(yaml.safe_dump(settings))

    found = _inspected(Path("model_final.pkl"))

    assert (found["family"], found["architecture"], found["sure"]) == ("detectron2", "MaskRCNN", "certain")
    assert (found["backbone"], found["classes"], found["strides"]) == ("ResNet-5", 4, [4, 8, 16, 32, 64])
    pixels = found["preprocessing"]
    assert pixels["pixels"].startswith("BGR in 0..255, mean 103.53,116.28,123.675, std 1,1,1 (blue first)")
    assert pixels["padding"].endswith("(said by detectron2, which pads with the mean)")
    assert pixels["size"] == "800x1067 (said by detectron2's defaults)"
    assert _exports(found, "64x96")


def test_a_checkpoint_of_mmdetection_says_what_it_is_and_how_to_export_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = "model = dict(type='MaskRCNN', test_cfg=dict(rpn=dict(nms_pre=50, max_per_img=40)))"
    meta = {"config": settings, "CLASSES": ("crack", "spall", "rust")}
    torch.save({"meta": meta, "state_dict": drawn(layer_shapes(), mmdet_name)}, "epoch_12.pth")

    found = _inspected(Path("epoch_12.pth"))

    assert (found["family"], found["architecture"], found["sure"]) == ("mmdet", "MaskRCNN", "certain")
    assert found["class_names"] == ["background", "crack", "spall", "rust"]
    assert found["strides"] == [4, 8, 16, 32, 64]
    assert found["preprocessing"]["class names"] == "4 names (said by the classes in the checkpoint's meta)"
    assert found["preprocessing"]["channel order"] == "rgb (said by MMDetection's defaults)"
    assert _exports(found, "64x96")


def test_a_bundles_folder_is_inspected_by_its_weights(tmp_path: Path) -> None:
    for name in ("models", "configs"):
        (tmp_path / name).mkdir()
    torch.save(UNet(3, width=4, depth=2).state_dict(), tmp_path / "models" / "model.pt")
    assert _inspected(tmp_path)["architecture"] == "unet"
