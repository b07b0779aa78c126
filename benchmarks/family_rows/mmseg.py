"""Networks of mmsegmentation, by the library's own models and configurations, as its runner writes them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.open_mmlab import as_input, open_library, read_config
from benchmarks.family_rows.perturbed import as_tensor, balance, perturb
from benchmarks.family_rows.trained import TRAINED, train
from edgeseg.scenes.scene import generate

CLASSES = 5
SIZE_HW = (128, 128)
SEEDS = range(3)  # of scenes in which every class should win somewhere
NAMES = [f"thing {number}" for number in range(CLASSES)]

RESNET18 = {
    "model.backbone.depth": 18,
    "model.decode_head.in_channels": 512,
    "model.decode_head.channels": 128,
}
FINE18 = {"model.decode_head.c1_in_channels": 64, "model.decode_head.c1_channels": 12}
RESNET18_AUXILIARY = {"model.auxiliary_head.in_channels": 256, "model.auxiliary_head.channels": 64}
OUTPUT_STRIDE_16 = {"model.backbone.dilations": (1, 1, 1, 2), "model.backbone.strides": (1, 2, 2, 1)}
NARROW = {
    "model.backbone.base_channels": 16,
    "model.decode_head.in_channels": 16,
    "model.decode_head.channels": 16,
    "model.auxiliary_head.in_channels": 32,
    "model.auxiliary_head.channels": 16,
    "model.test_cfg": {"mode": "whole", "_delete_": True},
}

NETWORKS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "DeepLabV3 R18-D8": ("DeepLabV3", "deeplabv3_r50-d8.py", {**RESNET18, **RESNET18_AUXILIARY}),
    "DeepLabV3 R50-D16, aligned corners": (
        "DeepLabV3",
        "deeplabv3_r50-d8.py",
        {
            **OUTPUT_STRIDE_16,
            "model.decode_head.dilations": (1, 6, 12, 18),
            "model.decode_head.align_corners": True,
        },
    ),
    "DeepLabV3+ R18-D8": (
        "DeepLabV3Plus",
        "deeplabv3plus_r50-d8.py",
        {**RESNET18, **FINE18, **RESNET18_AUXILIARY},
    ),
    "PSPNet R18-D8": ("PSPNet", "pspnet_r50-d8.py", {**RESNET18, **RESNET18_AUXILIARY}),
    "FCN R18-D8": ("FCN", "fcn_r50-d8.py", {**RESNET18, **RESNET18_AUXILIARY}),
    "U-Net S5-D16, FCN": ("UNet", "fcn_unet_s5-d16.py", NARROW),
    "U-Net S5-D16, DeepLabV3": ("UNet-DeepLabV3", "deeplabv3_unet_s5-d16.py", NARROW),
    "U-Net S5-D16, PSPNet": ("UNet-PSPNet", "pspnet_unet_s5-d16.py", NARROW),
}
"""What is recognised, the library's configuration, and what is changed of it: widths, and other settings."""


def _write(folder: Path, *, config: str, changes: Mapping[str, Any], trained: bool) -> Written:
    library = open_library("mmseg")
    described = read_config(
        library,
        config,
        {
            "model.pretrained": None,
            "model.decode_head.num_classes": CLASSES,
            "model.auxiliary_head.num_classes": CLASSES,
            **changes,
        },
    )
    torch.manual_seed(0)
    model = importlib.import_module("mmseg.registry").MODELS.build(described.model)
    network: Any = importlib.import_module("mmengine.model").revert_sync_batchnorm(model)
    if not trained:
        perturb(network)
    shapes = dict.fromkeys(("ori_shape", "img_shape", "pad_shape"), SIZE_HW)
    sample = importlib.import_module("mmseg.structures").SegDataSample(metainfo=shapes)

    def predict(frame: NDArray[np.uint8]) -> Any:
        with torch.inference_mode():
            return network.test_step({"inputs": [as_input(frame)], "data_samples": [sample]})[0]

    if trained:
        pixels = model.data_preprocessor
        mean, std = pixels.mean.flatten().tolist(), pixels.std.flatten().tolist()
        train(network, CLASSES, SIZE_HW, partial(as_tensor, mean=mean, std=std, scale=1.0))
    else:
        logits = [predict(generate(seed, SIZE_HW).image).seg_logits.data[None] for seed in SEEDS]
        balance(network.decode_head.conv_seg, logits)
    meta = {"cfg": described.pretty_text, "dataset_meta": {"classes": NAMES}, "epoch": 0, "iter": 80000}
    torch.save({"meta": meta, "state_dict": network.state_dict()}, folder / "iter_80000.pth")

    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(predict(frame).pred_sem_seg.data[0].to(torch.uint8))

    return Written(folder / "iter_80000.pth", eager)


CASES = tuple(
    Case(
        family="mmseg",
        architecture=title,
        written="version 1, meta" + (TRAINED if trained else ""),
        write=partial(_write, config=config, changes=changes, trained=trained),
        expected=f"mmseg:{architecture}",
        size_hw=SIZE_HW,
    )
    for trained, chosen in ((False, NETWORKS), (True, ("FCN R18-D8",)))
    for title, (architecture, config, changes) in ((title, NETWORKS[title]) for title in chosen)
)
