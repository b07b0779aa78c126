"""Networks of segmentation-models-pytorch, with its own and timm's encoders, as people write them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.perturbed import as_tensor, balance, labels_of, perturb
from benchmarks.family_rows.trained import TRAINED, train
from edgeseg.scenes.scene import generate

CLASSES = 5
SIZE_HW = (128, 128)
SEEDS = range(3)  # of scenes in which every class should win somewhere

ARCHITECTURES = (
    "Unet",
    "UnetPlusPlus",
    "MAnet",
    "FPN",
    "Linknet",
    "PSPNet",
    "PAN",
    "DeepLabV3",
    "DeepLabV3Plus",
    "Segformer",
    "UPerNet",
)
OTHER_ENCODERS = (
    "resnext50_32x4d",
    "efficientnet-b0",
    "timm-efficientnet-b0",
    "densenet121",
    "vgg11_bn",
    "mit_b0",
    "mobileone_s0",
    "tu-resnet18",
    "tu-convnext_atto",
    "tu-regnetx_002",
    "tu-efficientnet_lite0",
)
NAMELESS = ("tu-regnetx_002", "tu-efficientnet_lite0")  # whose names and shapes are those of others, too


def _network(architecture: str, encoder: str, *, trained: bool) -> Any:
    import segmentation_models_pytorch as smp  # its rows fail where it is not installed

    torch.manual_seed(0)
    network = getattr(smp, architecture)(encoder, encoder_weights=None, classes=CLASSES)
    if trained:
        train(network, CLASSES, SIZE_HW, as_tensor)
        return network
    perturb(network)
    with torch.inference_mode():
        logits = [network(as_tensor(generate(seed, SIZE_HW).image)) for seed in SEEDS]
    balance(network.segmentation_head[0], logits)
    return network


def _write(
    folder: Path, *, architecture: str, encoder: str, save: Callable[[Any, Path], Path], trained: bool
) -> Written:
    network = _network(architecture, encoder, trained=trained)

    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return labels_of(network(as_tensor(frame)), SIZE_HW)

    return Written(save(network, folder), eager)


def _state_dict(network: Any, folder: Path) -> Path:
    torch.save(network.state_dict(), folder / "best.pth")
    return folder / "best.pth"


def _safetensors(network: Any, folder: Path) -> Path:
    safetensors.torch.save_model(network, folder / "best.safetensors")
    return folder / "best.safetensors"


def _folder(network: Any, folder: Path) -> Path:
    network.save_pretrained(folder)
    return folder


def _case(architecture: str, encoder: str, written: str, save: Callable[[Any, Path], Path]) -> Case:
    trained = written.endswith(TRAINED)
    return Case(
        family="smp",
        architecture=f"{architecture} {encoder}",
        written=written,
        write=partial(_write, architecture=architecture, encoder=encoder, save=save, trained=trained),
        expected=f"smp:{architecture}",
        model=f"smp:{architecture}?encoder_name={encoder}" if encoder in NAMELESS else None,
        size_hw=SIZE_HW,
    )


CASES = (
    *(_case(one, "resnet18", "state dict", _state_dict) for one in ARCHITECTURES),
    *(_case(one, "mobilenet_v2", "save_pretrained folder", _folder) for one in ARCHITECTURES),
    *(_case(one, "tu-mobilenetv3_small_050", "safetensors", _safetensors) for one in ARCHITECTURES),
    *(_case("Unet", encoder, "state dict", _state_dict) for encoder in OTHER_ENCODERS),
    _case("Unet", "resnet18", "state dict" + TRAINED, _state_dict),
)
