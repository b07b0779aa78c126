"""Small semantic networks of Hugging Face transformers, as `save_pretrained` writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.perturbed import balance, perturb
from benchmarks.family_rows.trained import TRAINED, train
from edgeseg.scenes.scene import generate

CLASSES = 5
SIDE = 128
RATE = 5e-4  # of learning
SEEDS = range(3)  # of scenes in which every class should win somewhere
NAMES = {index: f"thing {index}" for index in range(CLASSES)}
STAGES = ["stage1", "stage2", "stage3", "stage4"]
TRANSFORMER = {"hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 96}


def _segformer(library: Any) -> Any:
    return library.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 48, 64],
        num_attention_heads=[1, 2, 3, 4],
        decoder_hidden_size=64,
    )


def _upernet(library: Any, backbone: str) -> Any:
    backbones = {
        "ConvNext": {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1]},
        "Swin": {"image_size": SIDE, "embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4]},
    }
    make = getattr(library, f"{backbone}Config")
    described = make(**backbones[backbone], out_features=STAGES)
    third = described.hidden_sizes[2] if backbone == "ConvNext" else 64
    return library.UperNetConfig(
        backbone_config=described, hidden_size=32, auxiliary_channels=16, auxiliary_in_channels=third
    )


def _dpt(library: Any) -> Any:
    return library.DPTConfig(
        **TRANSFORMER,
        image_size=SIDE,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 16, 24, 32],
        fusion_hidden_size=32,
        initializer_range=0.2,  # with less, random weights leave too little of the image
    )


def _mobilevit(library: Any) -> Any:
    return library.MobileViTConfig(image_size=SIDE, aspp_out_channels=64)


def _mobilevitv2(library: Any) -> Any:
    return library.MobileViTV2Config(width_multiplier=0.5, image_size=SIDE, aspp_out_channels=64)


def _mobilenet(library: Any) -> Any:
    return library.MobileNetV2Config(depth_multiplier=0.5, image_size=SIDE)


def _beit(library: Any) -> Any:
    relative = {"use_relative_position_bias": True, "use_absolute_position_embeddings": False}
    return library.BeitConfig(**TRANSFORMER, **relative, image_size=SIDE, out_indices=[1, 2, 3, 4])


def _data2vec(library: Any) -> Any:
    return library.Data2VecVisionConfig(**TRANSFORMER, image_size=SIDE, out_indices=[1, 2, 3, 4])


CONFIGS: Mapping[str, tuple[str, Callable[[Any], Any], str]] = {
    "Segformer": ("hf:Segformer", _segformer, "SegformerImageProcessor"),
    "UperNet ConvNeXt": ("hf:UperNet", partial(_upernet, backbone="ConvNext"), "SegformerImageProcessor"),
    "UperNet Swin": ("hf:UperNet", partial(_upernet, backbone="Swin"), "SegformerImageProcessor"),
    "DPT": ("hf:DPT", _dpt, "DPTImageProcessor"),
    "MobileViT": ("hf:MobileViT", _mobilevit, "MobileViTImageProcessor"),
    "MobileViTV2": ("hf:MobileViTV2", _mobilevitv2, "MobileViTImageProcessor"),
    "MobileNetV2": ("hf:MobileNetV2", _mobilenet, "MobileNetV2ImageProcessor"),
    "BEiT": ("hf:Beit", _beit, "BeitImageProcessor"),
    "Data2VecVision": ("hf:Data2VecVision", _data2vec, "BeitImageProcessor"),
}
"""What is recognised, its settings, and its image processor."""


def _write(
    folder: Path, *, config: Callable[[Any], Any], processor: str, dtype: str, trained: bool
) -> Written:
    import transformers  # its rows fail where it is not installed

    torch.manual_seed(0)
    settings = config(transformers)
    settings.id2label = NAMES
    network = transformers.AutoModelForSemanticSegmentation.from_config(settings)
    edge = "shortest_edge" if "MobileViT" in processor or "MobileNet" in processor else None
    size = {edge: SIDE} if edge else {"height": SIDE, "width": SIDE}
    prepare = getattr(transformers, processor)(size=size, crop_size={"height": SIDE, "width": SIDE})

    def pixels(frame: NDArray[np.uint8]) -> Tensor:
        found: Tensor = prepare(np.ascontiguousarray(frame[:, :, ::-1]), return_tensors="pt")["pixel_values"]
        return found

    def output_of(frame: NDArray[np.uint8]) -> Any:
        with torch.inference_mode():
            return network(pixels(frame))

    if trained:
        train(network, CLASSES, (SIDE, SIDE), pixels, logits_of=attrgetter("logits"), rate=RATE)
    else:
        perturb(network)
        balance(_last(network), [output_of(generate(seed, (SIDE, SIDE)).image).logits for seed in SEEDS])
    network.to(getattr(torch, dtype)).save_pretrained(folder)
    network.float()
    prepare.save_pretrained(folder)

    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        labels = prepare.post_process_semantic_segmentation(output_of(frame), target_sizes=[(SIDE, SIDE)])[0]
        return np.asarray(labels.to(torch.uint8))

    return Written(folder, eager)


def _last(network: nn.Module) -> nn.Conv2d:
    """Find the convolution that gives the logits."""
    found = [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and module.out_channels == CLASSES and "auxiliary" not in name
    ]
    return found[-1]


def _case(name: str, dtype: str = "float32", *, trained: bool = False) -> Case:
    expected, config, processor = CONFIGS[name]
    return Case(
        family="hf",
        architecture=name,
        written="save_pretrained folder"
        + ("" if dtype == "float32" else f", {dtype}")
        + (TRAINED if trained else ""),
        write=partial(_write, config=config, processor=processor, dtype=dtype, trained=trained),
        expected=expected,
        size_hw=(SIDE, SIDE),
    )


CASES = (*map(_case, CONFIGS), _case("Segformer", "bfloat16"), _case("Segformer", trained=True))
