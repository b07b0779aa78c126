"""Semantic networks of Hugging Face transformers are made from their folders, and compute the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.export import export
from edgeseg.frames.resize import resize
from edgeseg.models.families.opening import open_source
from edgeseg.models.families.registry import recognise
from edgeseg.models.families.source import read_source
from tests.models.families.nontrivial import trained_looking

transformers = pytest.importorskip("transformers", reason="extra hf", exc_type=ImportError)

NAMES = {0: "road", 1: "kerb", 2: "grass"}
STAGES = ["stage1", "stage2", "stage3", "stage4"]
VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 64,
}

CONFIGS: dict[str, Callable[[], Any]] = {
    "Segformer": lambda: transformers.SegformerConfig(
        depths=[1] * 4, hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=16
    ),
    "UperNet": lambda: transformers.UperNetConfig(
        backbone_config=transformers.SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1] * 4,
            num_heads=[1, 2, 2, 2],
            window_size=2,
            out_features=STAGES,
        ),
        hidden_size=16,
        auxiliary_channels=8,
        auxiliary_in_channels=32,
    ),
    "DPT": lambda: transformers.DPTConfig(
        **VIT, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[4, 8, 8, 8], fusion_hidden_size=8
    ),
    "MobileViT": lambda: transformers.MobileViTConfig(
        hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 8, 16, 16, 24, 24, 32],
        aspp_out_channels=8,
        image_size=64,
    ),
    "MobileViTV2": lambda: transformers.MobileViTV2Config(
        width_multiplier=0.25,
        base_attn_unit_dims=[64] * 3,
        n_attn_blocks=[1] * 3,
        aspp_out_channels=8,
        image_size=64,
    ),
    "MobileNetV2": lambda: transformers.MobileNetV2Config(depth_multiplier=0.35, image_size=64),
    "Beit": lambda: transformers.BeitConfig(
        **VIT, out_indices=[1, 2, 3, 4], use_relative_position_bias=True, auxiliary_channels=8
    ),
    "Data2VecVision": lambda: transformers.Data2VecVisionConfig(
        **VIT, out_indices=[1, 2, 3, 4], auxiliary_channels=8
    ),
}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., nn.Module]:
    """Make a network by the library, as a training leaves it, and write its folder."""

    def save(architecture: str) -> nn.Module:
        torch.manual_seed(1)
        config = CONFIGS[architecture]()
        config.id2label = NAMES
        config.label2id = {name: index for index, name in NAMES.items()}
        network = trained_looking(transformers.AutoModelForSemanticSegmentation.from_config(config))
        network.save_pretrained(tmp_path)
        return network

    return save


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_folder_is_recognised_and_its_network_computes_the_same(
    architecture: str, saved: Callable[..., nn.Module], tmp_path: Path
) -> None:
    network = saved(architecture)
    source = read_source(tmp_path)
    found = recognise(source)
    assert (found.model, found.sure, found.num_classes) == (f"hf:{architecture}", "certain", len(NAMES))
    opened = open_source("auto", source)
    assert opened.network.class_names == tuple(NAMES.values())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted, got = network(images).logits, opened.network.module(images).logits
    # Attention is computed step by step here, by one operator there: they round differently.
    assert float((wanted - got).abs().max() / wanted.abs().max()) < 1e-5


def test_frames_become_what_the_librarys_own_processor_makes_of_them(
    saved: Callable[..., nn.Module], tmp_path: Path
) -> None:
    network = saved("Segformer")
    own = transformers.SegformerImageProcessor(
        size={"height": 64, "width": 96},
        image_mean=[0.2, 0.3, 0.4],
        image_std=[0.5, 0.6, 0.7],
        do_reduce_labels=True,
    )
    own.save_pretrained(tmp_path)
    exported = export("hf", tmp_path / "x.onnx", weights=tmp_path)
    spec = exported.spec
    assert exported.parity.passed
    assert (spec.input.height, spec.input.width, spec.input.resize) == (64, 96, "stretch")
    assert spec.input.resize_filter_known
    frame = np.random.default_rng(1).integers(0, 256, (150, 210, 3), dtype=np.uint8)
    frame = frame.repeat(3, axis=0).repeat(3, axis=1)  # rgb
    resized = np.empty((64, 96, 3), np.uint8)
    resize(frame, resized, spec.input.resize_filter)
    ours = (resized / 255 - np.array(spec.graph.mean_rgb)) / np.array(spec.graph.std_rgb)
    theirs = own(frame, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    level = 1 / 255 / np.array(spec.graph.std_rgb)
    assert (np.abs(ours - theirs) / level).max() <= 1.01  # a pixel may round to the neighbouring level
    with torch.no_grad():
        same = network(torch.from_numpy(theirs.transpose(2, 0, 1))[None].float()).logits.argmax(1)
        here = network(torch.from_numpy(ours.transpose(2, 0, 1))[None].float()).logits.argmax(1)
    assert float((same == here).float().mean()) > 0.98


def test_half_precision_and_shards_load_as_well(saved: Callable[..., nn.Module], tmp_path: Path) -> None:
    network = saved("Segformer").half()
    for file in tmp_path.iterdir():
        file.unlink()
    network.save_pretrained(tmp_path, max_shard_size="10KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    opened = open_source("auto", read_source(tmp_path))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        wanted, got = network.float()(images).logits, opened.network.module(images).logits
    assert got.dtype == torch.float32
    assert torch.allclose(wanted, got, atol=1e-4)


def test_what_does_not_fit_its_settings_is_named(saved: Callable[..., nn.Module], tmp_path: Path) -> None:
    saved("Segformer")
    _changed(tmp_path, decoder_hidden_size=24)
    with pytest.raises(
        CheckpointError, match=r"does not fit its config.json: it lacks, or has in another shape"
    ):
        open_source("auto", read_source(tmp_path))


def test_networks_that_are_no_semantic_ones_are_refused_with_the_way_on(
    saved: Callable[..., nn.Module], tmp_path: Path
) -> None:
    saved("Segformer")
    _changed(tmp_path, architectures=["SegformerForImageClassification"])
    with pytest.raises(CheckpointError, match="which is no semantic network"):
        recognise(read_source(tmp_path))
    _changed(tmp_path, model_type="mask2former")
    with pytest.raises(CheckpointError, match=r"gives masks of queries.*file.py:function"):
        recognise(read_source(tmp_path))


def test_weights_without_their_folder_ask_for_it(tmp_path: Path) -> None:
    names = ("segformer.encoder.layer_norm.0.weight", "decode_head.classifier.weight")
    save_file({name: torch.ones(1) for name in names}, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=r"give --weights the folder that save_pretrained wrote"):
        recognise(read_source(tmp_path / "w.safetensors"))


def test_hf_takes_no_arguments(saved: Callable[..., nn.Module], tmp_path: Path) -> None:
    saved("MobileNetV2")
    with pytest.raises(UsageError, match=r"hf takes no arguments.*got num_classes"):
        open_source("hf", read_source(tmp_path), num_classes=4)


def _changed(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
