"""Make the files that the pages speak of, each once: weights as their owners have them, engines."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import torch
from safetensors.torch import save_file

from edgeseg.cli import status_of
from edgeseg.runtime.sources import open_source
from edgeseg.scenes.pictures import picture
from edgeseg.scenes.scene import generate
from tests.docs.produced import FRAMES
from tests.export.ready.ready_files import tiny, write_onnx

CHECKPOINTS = Path(__file__).parents[2] / "edgeseg" / "demo" / "checkpoints"
DETECTIONS = 10  # that the Mask R-CNN finds in the export's first picture; some 100 in the others
SCORE_THRESHOLD = 0.5  # the pages'
FPS = 25.0
SCENES = 4  # with ground truth; of every four fit-crf holds one out
SIZE_HW = (240, 320)
SCENE_SIZE_HW = (120, 160)  # fit-crf refines each of them 161 times
SMALL_HW = (120, 160)  # where nobody looks at what is found
MASK_RCNN_SIZE_HW = (192, 256)  # what its page is run as

MINE = """
from torch import nn


def build(width=8, channels=3):
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3, 1))
"""


class Supplies:
    """What the pages need, made at its first use and copied from then on."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def put(self, name: str, folder: Path) -> None:
        """Copy a file or folder of this name into a folder."""
        made, there = self._store / name, folder / name
        if not made.exists():
            made.parent.mkdir(parents=True, exist_ok=True)
            MAKERS[name.rstrip("/")](self, made)
        there.parent.mkdir(parents=True, exist_ok=True)
        if made.is_dir():
            shutil.copytree(made, there)
        else:
            shutil.copy(made, there)

    def at(self, name: str) -> Path:
        """Make what has this name, if it is not there yet, and say where it lies."""
        if not (self._store / name).exists():
            MAKERS[name](self, self._store / name)
        return self._store / name


def _street(_: Supplies, path: Path) -> None:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (640, 480))
    with open_source(f"synthetic:640x480?seed=3&frames={FRAMES}") as source:
        for frame in source:
            video.write(frame.image)
    video.release()


def _unet(_: Supplies, path: Path) -> None:
    from edgeseg.models.unet import UNet

    _save(UNet(num_classes=2, width=8), path)


def _ready(_: Supplies, path: Path) -> None:
    write_onnx(tiny(), path)


def _deeplab(_: Supplies, path: Path) -> None:
    from torchvision.models import segmentation

    _save(segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, aux_loss=True), path)


def _mask_rcnn(_: Supplies, path: Path) -> None:
    from tests.models.torchvision_weights import arranged

    image = torch.from_numpy(picture(0, MASK_RCNN_SIZE_HW)[..., ::-1].copy()).permute(2, 0, 1) / 255  # RGB
    sizes: dict[str, Any] = {"min_size": min(MASK_RCNN_SIZE_HW), "num_classes": 5}
    found = {"detections": DETECTIONS, "score_threshold": SCORE_THRESHOLD}
    _save(arranged("maskrcnn_resnet50_fpn", image, **found, **sizes), path)


def _save(network: torch.nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path)


def _model(network: str, size_hw: tuple[int, int] = SIZE_HW) -> Callable[[Supplies, Path], None]:
    """Make a portable model of a demo's checkpoint: small, and trained."""

    def make(_: Supplies, path: Path) -> None:
        weights = CHECKPOINTS / f"{network}.safetensors"
        size = "x".join(map(str, size_hw))
        _edgeseg("export", f"demo_{network}", "--weights", weights, "--size", size, "-o", path)

    return make


def _engine(model: str) -> Callable[[Supplies, Path], None]:
    def make(supplies: Supplies, path: Path) -> None:
        _edgeseg("build", supplies.at(model), "--threads", 1, "-o", path)

    return make


def _mine(_: Supplies, path: Path) -> None:
    path.write_text(MINE)


def _mine_weights(**arguments: int) -> Callable[[Supplies, Path], None]:
    def make(_: Supplies, path: Path) -> None:
        space: dict[str, Any] = {}
        exec(MINE, space)
        save_file(space["build"](**arguments).state_dict(), path)

    return make


def _names(_: Supplies, path: Path) -> None:
    path.write_text("background\ncell\nnucleus\n")


def _site(_: Supplies, path: Path) -> None:
    """Write the file that the page shows."""
    page = (Path(__file__).parents[2] / "docs" / "site.md").read_text()
    path.write_text(page.partition("```toml\n")[2].partition("```")[0])


def _scenes(attribute: str) -> Callable[[Supplies, Path], None]:
    def make(_: Supplies, path: Path) -> None:
        path.mkdir()
        for seed in range(SCENES):
            cv2.imwrite(str(path / f"{seed}.png"), getattr(generate(seed, SCENE_SIZE_HW), attribute))

    return make


def _edgeseg(*arguments: object) -> None:
    assert status_of([str(argument) for argument in arguments]) == 0, arguments


MAKERS: dict[str, Callable[[Supplies, Path], None]] = {
    "street.mp4": _street,
    "unet.pth": _unet,
    "deeplab.pth": _deeplab,
    "maskrcnn.pth": _mask_rcnn,
    "unet.onnx": _model("unet", SMALL_HW),
    "deeplab.onnx": _model("deeplab"),
    "maskrcnn.onnx": _model("maskrcnn", SMALL_HW),
    "unet-engine": _engine("unet.onnx"),
    "deeplab-engine": _engine("deeplab.onnx"),
    "maskrcnn-engine": _engine("maskrcnn.onnx"),
    "ready.onnx": _ready,
    "nets/mine.py": _mine,
    "mine.safetensors": _mine_weights(),
    "wide.safetensors": _mine_weights(width=16),
    "names.txt": _names,
    "site.toml": _site,
    "images": _scenes("image"),
    "typical-images": _scenes("image"),
    "label-maps": _scenes("labels"),
}
