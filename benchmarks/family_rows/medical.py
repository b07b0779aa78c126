"""Networks of MONAI and nnU-Net, by their libraries' own models."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.perturbed import as_tensor, balance, labels_of, perturb
from benchmarks.family_rows.trained import TRAINED, train
from edgeseg.scenes.scene import generate

CLASSES = 4
SIZE_HW = (128, 128)
ZERO, UNIT = (0.0,) * 3, (1.0,) * 3
FEATURES = (16, 16, 32, 64, 128, 16)

MONAI: Mapping[str, tuple[str, dict[str, Any]]] = {
    "UNet": ("UNet", {"channels": (16, 32, 64), "strides": (2, 2)}),
    "UNet, residual, batch norm": (
        "UNet",
        {"channels": (16, 32, 64), "strides": (2, 2), "num_res_units": 2, "norm": "BATCH"},
    ),
    "BasicUNet": ("BasicUNet", {"features": FEATURES}),
    "BasicUNet, batch norm": ("BasicUNet", {"features": FEATURES, "norm": "batch"}),
    "DynUNet": (
        "DynUNet",
        {
            "kernel_size": [3] * 4,
            "strides": [1, 2, 2, 2],
            "upsample_kernel_size": [2] * 3,
            "filters": (16, 32, 64, 64),
        },
    ),
    "DynUNet, residual, deep supervision": (
        "DynUNet",
        {
            "kernel_size": [3] * 4,
            "strides": [1, 2, 2, 2],
            "upsample_kernel_size": [2] * 3,
            "filters": (16, 32, 64, 64),
            "res_block": True,
            "deep_supervision": True,
        },
    ),
    "SegResNet": ("SegResNet", {"init_filters": 8, "blocks_down": (1, 2, 2), "blocks_up": (1, 1)}),
}
STAGES = 4
PLANNED: Mapping[str, Any] = {
    "n_stages": STAGES,
    "features_per_stage": [16, 32, 64, 64],
    "kernel_sizes": [[3, 3]] * STAGES,
    "strides": [[1, 1], *[[2, 2]] * (STAGES - 1)],
    "n_conv_per_stage_decoder": [2] * (STAGES - 1),
    "conv_bias": True,
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin_kwargs": {"inplace": True},
}
OPERATIONS = {
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
    "nonlin": "torch.nn.LeakyReLU",
}


def _last(network: nn.Module) -> nn.Conv2d:
    """Find the finest head of a network of nnU-Net, or the layer of MONAI's that scores."""
    convolutions = [
        layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    found = [layer for layer in convolutions if layer.out_channels == CLASSES]
    last = getattr(network, "output_block", None)
    chosen = last.conv.conv if last is not None else found[-1]
    assert isinstance(chosen, (nn.Conv2d, nn.ConvTranspose2d))
    return chosen  # type: ignore[return-value]  # both have a bias of as many numbers


def _finest(outputs: Tensor | list[Tensor]) -> Tensor:
    return outputs[0] if isinstance(outputs, list) else outputs


def _written(network: nn.Module, path: Path, prepare: Callable[[NDArray[np.uint8]], Tensor]) -> Written:
    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return labels_of(_finest(network(prepare(frame))), SIZE_HW)

    return Written(path, eager)


def _settled(
    network: nn.Module, prepare: Callable[[NDArray[np.uint8]], Tensor], *, trained: bool
) -> nn.Module:
    """Train a network, or let every class of it win somewhere."""
    if trained:
        train(network, CLASSES, SIZE_HW, prepare, logits_of=_finest)
        return network
    perturb(network)
    with torch.inference_mode():
        logits = [_finest(network(prepare(generate(seed, SIZE_HW).image))) for seed in (0, 1)]
    balance(_last(network), logits)
    return network


def _monai(folder: Path, *, name: str, parameters: Mapping[str, Any], trained: bool = False) -> Written:
    from monai.networks import nets

    torch.manual_seed(0)
    made = getattr(nets, name)(spatial_dims=2, in_channels=3, out_channels=CLASSES, **parameters)
    prepare = partial(as_tensor, mean=ZERO, std=UNIT)
    network = _settled(made, prepare, trained=trained)
    torch.save(network.state_dict(), folder / "model.pt")
    return _written(network, folder / "model.pt", prepare)


def _z_score(frame: NDArray[np.uint8]) -> Tensor:
    """Normalise an image by its own statistics, as nnU-Net does."""
    image = as_tensor(frame, ZERO, UNIT, scale=1.0).numpy()
    mean, std = image.mean(axis=(2, 3), keepdims=True), image.std(axis=(2, 3), keepdims=True)
    return torch.from_numpy((image - mean) / np.maximum(std, 1e-8))


def _nnunet(folder: Path, *, name: str, convolutions: str, scheme: str, trained: bool = False) -> Written:
    from dynamic_network_architectures.architectures import unet

    torch.manual_seed(0)
    arguments = {**PLANNED, convolutions: [2] * STAGES}
    classes = {"conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "nonlin": nn.LeakyReLU}
    made = getattr(unet, name)(3, num_classes=CLASSES, deep_supervision=True, **arguments, **classes)
    prepare = _z_score if scheme == "ZScoreNormalization" else partial(as_tensor, mean=ZERO, std=UNIT)
    network = _settled(made, prepare, trained=trained)
    architecture = {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
        "arch_kwargs": {**arguments, **OPERATIONS},
        "_kw_requires_import": [*OPERATIONS, "dropout_op"],
    }
    configuration = {
        "patch_size": list(SIZE_HW),
        "normalization_schemes": [scheme] * 3,
        "use_mask_for_norm": [False] * 3,
        "architecture": architecture,
    }
    plans = {"configurations": {"2d": configuration}, "foreground_intensity_properties_per_channel": {}}
    labels = {"background": 0, **{f"organ {number}": number for number in range(1, CLASSES)}}
    dataset = {"channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": labels}
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    (folder / "fold_0").mkdir()
    torch.save({"network_weights": network.state_dict()}, folder / "fold_0" / "checkpoint_final.pth")
    return _written(network, folder, prepare)


CASES = (
    *(
        Case(
            family="monai",
            architecture=title,
            written="state dict" + (TRAINED if trained else ""),
            write=partial(_monai, name=name, parameters=parameters, trained=trained),
            expected=f"monai:{name}",
            size_hw=SIZE_HW,
        )
        for trained, chosen in ((False, MONAI), (True, ("UNet, residual, batch norm", "BasicUNet")))
        for title, (name, parameters) in ((title, MONAI[title]) for title in chosen)
    ),
    *(
        Case(
            family="nnunet",
            architecture=f"{name}, {scheme}",
            written="results folder" + (TRAINED if trained else ""),
            write=partial(_nnunet, name=name, convolutions=convolutions, scheme=scheme, trained=trained),
            expected=f"nnunet:{name}",
            size_hw=SIZE_HW,
        )
        for name, convolutions, scheme, trained in (
            ("PlainConvUNet", "n_conv_per_stage", "RGBTo01Normalization", False),
            ("PlainConvUNet", "n_conv_per_stage", "ZScoreNormalization", False),
            ("ResidualEncoderUNet", "n_blocks_per_stage", "ZScoreNormalization", False),
            ("PlainConvUNet", "n_conv_per_stage", "ZScoreNormalization", True),
        )
    ),
)
