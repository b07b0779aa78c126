"""The commands of the README do what it says, on weights as their owners have them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from edgeseg.bundle import read_manifest
from edgeseg.export.pictures import picture
from edgeseg.graph.portable import PortableModel

README = Path(__file__).parents[1] / "README.md"
DETECTIONS = 10  # that the Mask R-CNN finds in the export's first picture; some 100 in the others
SCORE_THRESHOLD = 0.5  # the README's
PYTHON = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
BLOCKS = dict(re.findall(r"<!-- tested: (\S+) -->\n```sh\n(.*?)```", README.read_text(), re.DOTALL))

torchvision = pytest.importorskip("torchvision", reason="torchvision, of the dev extra, makes the weights")
from tests.models.torchvision_weights import arranged  # noqa: E402  (imports torchvision)


def _unet() -> torch.nn.Module:
    from edgeseg.models.unet import UNet

    return UNet(num_classes=2, width=8)


def _deeplab() -> torch.nn.Module:
    models = torchvision.models.segmentation
    return models.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, aux_loss=True)


def _mask_rcnn() -> torch.nn.Module:
    image = torch.from_numpy(picture(0, (320, 427))[..., ::-1].copy()).permute(2, 0, 1) / 255  # RGB
    return arranged(
        "maskrcnn_resnet50_fpn",
        image,
        detections=DETECTIONS,
        score_threshold=SCORE_THRESHOLD,
        min_size=320,
        num_classes=5,
    )


MINE = """
from torch import nn


def build():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1))
"""

NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "unet.pth": _unet,
    "deeplab.pth": _deeplab,
    "maskrcnn.pth": _mask_rcnn,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the README's reader stands: with a short video, and soon with weights."""
    path = tmp_path_factory.mktemp("readme")
    rng = np.random.default_rng(0)
    frame = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    video = cv2.VideoWriter(str(path / "street.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (640, 480))
    for shift in range(6):
        video.write(np.roll(frame, 8 * shift, axis=1))
    video.release()
    return path


def _run_block(name: str, folder: Path) -> None:
    commands = BLOCKS[name].replace("\\\n", " ").splitlines()
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "edgeseg"
        done = subprocess.run(
            [sys.executable, "-m", "edgeseg", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet.pth", "deeplab.pth", "maskrcnn.pth"])
def test_the_road_of_each_network(name: str, folder: Path) -> None:
    torch.manual_seed(0)
    torch.save(NETWORKS[name]().state_dict(), folder / name)
    _run_block(name, folder)
    network = name.removesuffix(".pth")
    assert cv2.VideoCapture(str(folder / f"{network}.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 6


@pytest.mark.slow
def test_the_proof_and_what_the_commands_wrote(folder: Path) -> None:
    _run_block("engine", folder)
    profile = json.loads((folder / "unet-profile.json").read_text())
    for times in (profile["infer_ms"], profile["latency_ms"]):
        assert 0 < times["p50"] <= times["p90"] <= times["p99"]
    lines = (folder / "unet.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(6))
    assert len(list((folder / "label-maps").glob("*.png"))) == 6


@pytest.mark.slow
def test_engines_of_other_backends(folder: Path) -> None:
    """The model is the one that the road of the U-Net has exported."""
    pytest.importorskip("openvino")
    _run_block("backends", folder)
    assert read_manifest(folder / "fastest-engine").backend in ("onnxruntime", "openvino")
    assert read_manifest(folder / "device-engine").backend == "openvino"


@pytest.mark.slow
def test_the_lines_of_python(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The engine is the one that the road of the U-Net has built."""
    assert PYTHON is not None
    monkeypatch.chdir(folder)
    exec(PYTHON[1], {})
    expected = [f"{index} {index / 25} (480, 640)" for index in range(6)]  # street.mp4 has 25 frames a second
    assert capsys.readouterr().out.splitlines() == expected


@pytest.mark.slow
def test_a_network_of_ones_own(folder: Path) -> None:
    (folder / "nets").mkdir()
    (folder / "nets" / "mine.py").write_text(MINE)
    (folder / "names.txt").write_text("background\ncell\nnucleus\n")
    space: dict[str, Any] = {}
    exec(MINE, space)
    torch.manual_seed(0)
    save_file(space["build"]().state_dict(), folder / "mine.safetensors")
    _run_block("mine.safetensors", folder)
    spec = PortableModel.read(folder / "mine.onnx").spec
    assert spec.class_names == ("background", "cell", "nucleus")
    assert spec.graph.mean_rgb == spec.graph.std_rgb == (0.5, 0.5, 0.5)


def test_every_network_of_the_readme_is_tested() -> None:
    assert set(BLOCKS) == {*NETWORKS, "engine", "backends", "mine.safetensors"}
