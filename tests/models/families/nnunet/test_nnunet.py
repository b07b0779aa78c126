"""nnU-Net's plans, data set and checkpoint against the networks of dynamic-network-architectures."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.nnunet.nnunet import NnUNet
from edgeseg.models.network import Network
from tests.models.families.perturbed import perturbed

unet: Any = pytest.importorskip(
    "dynamic_network_architectures.architectures.unet",
    reason="dynamic-network-architectures is not installed",
)

ARCHITECTURE: dict[str, Any] = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 3,
        "features_per_stage": [4, 8, 8],
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "kernel_sizes": [[3, 3], [3, 3], [3, 3]],
        "strides": [[1, 1], [2, 2], [2, 2]],
        "n_conv_per_stage": [2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}
OLDER: dict[str, Any] = {
    "UNet_class_name": "PlainConvUNet",
    "UNet_base_num_features": 4,
    "unet_max_num_features": 8,
    "n_conv_per_stage_encoder": [2, 2, 2],
    "n_conv_per_stage_decoder": [2, 2],
    "num_pool_per_axis": [2, 2],
    "pool_op_kernel_sizes": [[1, 1], [2, 2], [2, 2]],
    "conv_kernel_sizes": [[3, 3], [3, 3], [3, 3]],
}
DATASET: dict[str, Any] = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "liver": 1, "tumour": 2, "ignore": 3},
}
INTENSITIES = {"0": {"mean": 100.0, "std": 50.0, "percentile_00_5": 10.0, "percentile_99_5": 240.0}}


def plans(scheme: str = "CTNormalization", channels: int = 1, **entry: Any) -> dict[str, Any]:
    flat = {
        "patch_size": [64, 96],
        "normalization_schemes": [scheme] * channels,
        "use_mask_for_norm": [False] * channels,
        "architecture": ARCHITECTURE,
        **entry,
    }
    volume = {"patch_size": [16, 64, 64], "normalization_schemes": [scheme]}
    return {
        "configurations": {"2d": flat, "3d_fullres": volume},
        "foreground_intensity_properties_per_channel": INTENSITIES,
    }


def own_network(
    channels: int = 1, classes: int = 3, kind: str = "PlainConvUNet", **changed: Any
) -> nn.Module:
    """Make the network by the library, as nnU-Net trains it, with heads of all levels."""
    arguments = {**ARCHITECTURE["arch_kwargs"], **changed}
    arguments.update(conv_op=nn.Conv2d, norm_op=nn.InstanceNorm2d, nonlin=nn.LeakyReLU)
    network = getattr(unet, kind)(channels, num_classes=classes, deep_supervision=True, **arguments)
    return perturbed(network)


def source(network: nn.Module, plans: Any, dataset: Any = DATASET, **beside: Any) -> Source:
    return Source(
        Path("fold_0/checkpoint_final.pth"),
        network.state_dict(),
        {"plans.json": plans, "dataset.json": dataset, **beside},
    )


def made(source: Source, **arguments: Any) -> tuple[Recognised, Network]:
    recognised = NnUNet().recognise(source)
    assert recognised is not None
    return recognised, NnUNet().make(source, recognised, arguments)


def pixels(channels: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (1, channels, 64, 96), generator=generator).float()


def finest(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        result: torch.Tensor = network(image)[0]
    return result


def answer(network: Network, image: torch.Tensor) -> torch.Tensor:
    mean, std = network.mean_rgb[0], network.std_rgb[0]
    assert network.divide_by_255 == "never"
    with torch.inference_mode():
        result: torch.Tensor = network.module((image - mean) / std)
    return result


def test_the_plans_network_gives_the_finest_heads_scores() -> None:
    own = own_network()
    recognised, network = made(source(own, plans()))
    assert (recognised.model, recognised.sure, recognised.num_classes) == (
        "nnunet:PlainConvUNet",
        "certain",
        3,
    )
    expected = finest(own, (pixels().clip(10, 240) - 100) / 50)
    assert torch.allclose(answer(network, pixels()), expected, atol=1e-5)
    assert network.class_names == ("background", "liver", "tumour")
    assert (network.default_size_hw, network.channel_order) == ((64, 96), "grey")
    assert network.said["mean_rgb"] == "plans.json"
    assert network.said["class_names"] == "dataset.json"


def test_a_residual_encoder_is_made_as_its_plans_say() -> None:
    kind = "ResidualEncoderUNet"
    arguments = {
        key: value for key, value in ARCHITECTURE["arch_kwargs"].items() if key != "n_conv_per_stage"
    }
    arguments["n_blocks_per_stage"] = [1, 2, 1]
    architecture = {"network_class_name": f"x.{kind}", "arch_kwargs": arguments}
    arguments = {**arguments, "conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "nonlin": nn.LeakyReLU}
    own = perturbed(unet.ResidualEncoderUNet(1, num_classes=3, deep_supervision=True, **arguments))
    recognised, network = made(source(own, plans("NoNormalization", architecture=architecture)))
    assert recognised.architecture == kind
    assert torch.allclose(answer(network, pixels()), finest(own, pixels()), atol=1e-3)


def test_older_plans_hold_the_network_loose() -> None:
    own = own_network()
    older = plans("NoNormalization", **OLDER)
    del older["configurations"]["2d"]["architecture"]
    _, network = made(source(own, older))
    assert torch.allclose(answer(network, pixels()), finest(own, pixels()), atol=1e-3)


def test_a_configuration_inherits_from_another() -> None:
    inherited = plans()
    inherited["configurations"]["2d_small"] = {"inherits_from": "2d", "patch_size": [32, 32]}
    with pytest.raises(CheckpointError, match="configuration= one of 2d, 2d_small"):
        made(source(own_network(), inherited))
    trained = {"init_args": {"configuration": "2d_small"}}
    _, network = made(source(own_network(), inherited, **trained))
    assert network.default_size_hw == (32, 32)


def test_a_checkpoint_alone_says_its_plans() -> None:
    own = own_network()
    stored = {"plans": plans(), "dataset_json": DATASET, "configuration": "2d", "fold": 0}
    alone = Source(Path("checkpoint_final.pth"), own.state_dict(), {"init_args": stored})
    _, network = made(alone)
    assert network.said["mean_rgb"] == "the checkpoint's plans"


def test_weights_without_plans_are_refused() -> None:
    alone = Source(Path("checkpoint_final.pth"), own_network().state_dict(), {})
    with pytest.raises(CheckpointError, match=r"no plans\.json or dataset\.json"):
        NnUNet().recognise(alone)


def test_each_images_z_score_is_in_the_graph() -> None:
    own = own_network(channels=3)
    dataset = {**DATASET, "channel_names": {"0": "R", "1": "G", "2": "B"}}
    recognised, network = made(source(own, plans("ZScoreNormalization", channels=3), dataset))
    image = pixels(3)
    raw = image.double().numpy()
    scored = (raw - raw.mean((2, 3), keepdims=True)) / raw.std((2, 3), keepdims=True)
    expected = finest(own, torch.from_numpy(scored.astype(np.float32)))
    assert torch.allclose(answer(network, image), expected, atol=1e-4)
    assert any("each image by its own values" in note for note in recognised.unknown)
    assert network.channel_order == "rgb"


def test_rgb_to_0_1_is_mean_and_deviation() -> None:
    dataset = {**DATASET, "channel_names": {"0": "blue", "1": "green", "2": "red"}}
    _, network = made(source(own_network(3), plans("RGBTo01Normalization", channels=3), dataset))
    assert (network.mean_rgb, network.std_rgb) == ((0.0,) * 3, (255.0,) * 3)
    assert network.channel_order == "bgr"


def test_channels_may_be_normalised_each_in_its_way() -> None:
    mixed = plans(channels=3)
    schemes = ["RescaleTo01Normalization", "NoNormalization", "RGBTo01Normalization"]
    mixed["configurations"]["2d"]["normalization_schemes"] = schemes
    dataset = {**DATASET, "channel_names": {"0": "R", "1": "G", "2": "B"}}
    own = own_network(3)
    _, network = made(source(own, mixed, dataset))
    image = pixels(3)
    first = image[:, :1] - image[:, :1].min()
    prepared = torch.cat([first / first.max(), image[:, 1:2], image[:, 2:] / 255], 1)
    assert torch.allclose(answer(network, image), finest(own, prepared), atol=1e-4)


def test_statistics_within_an_outline_are_refused_until_the_whole_image_is_asked_for() -> None:
    masked = plans("ZScoreNormalization", use_mask_for_norm=[True])
    with pytest.raises(CheckpointError, match=r"use_mask_for_norm.*\?whole_image=True"):
        made(source(own_network(), masked))
    _, network = made(source(own_network(), masked), whole_image=True)
    assert network.class_names is not None


def test_regions_overlap() -> None:
    labels = {"background": 0, "whole": [1, 2], "core": 2}
    dataset = {**DATASET, "labels": labels, "regions_class_order": [1, 2]}
    _, network = made(source(own_network(classes=2), plans(), dataset))
    assert (network.head, network.class_names) == ("multilabel", ("whole", "core"))


def test_volumes_are_refused_by_name() -> None:
    volume = {"init_args": {"configuration": "3d_fullres"}}
    with pytest.raises(CheckpointError, match="nnU-Net's 3d_fullres, for volumes"):
        NnUNet().recognise(source(own_network(), plans(), **volume))


@pytest.mark.parametrize("place", ["os.system", "torch.hub.load", "torch.nn.Conv3d"])
def test_plans_name_no_class_but_those_that_are_known(place: str) -> None:
    odd = copy.deepcopy(plans())
    odd["configurations"]["2d"]["architecture"]["arch_kwargs"]["conv_op"] = place
    with pytest.raises(CheckpointError, match=r"which is none of|for volumes"):
        NnUNet().recognise(source(own_network(), odd))


def test_a_network_that_is_not_known_is_not_imported() -> None:
    odd = copy.deepcopy(plans())
    odd["configurations"]["2d"]["architecture"]["network_class_name"] = "antigravity.PlainNet"
    with pytest.raises(CheckpointError, match=r"'antigravity\.PlainNet', which is none of PlainConvUNet"):
        NnUNet().recognise(source(own_network(), odd))


def test_arguments_of_the_network_are_the_plans_alone() -> None:
    with pytest.raises(UsageError, match="not n_stages: the plans say all else"):
        made(source(own_network(), plans()), n_stages=4)


def test_other_weights_are_none_of_its_own() -> None:
    assert NnUNet().recognise(source(nn.Conv2d(1, 1, 1), plans())) is None


def test_intensities_beyond_bytes_are_pointed_out() -> None:
    hounsfield = plans()
    values = {"mean": 40.0, "std": 90.0, "percentile_00_5": -900.0, "percentile_99_5": 300.0}
    hounsfield["foreground_intensity_properties_per_channel"] = {"0": values}
    recognised, _ = made(source(own_network(), hounsfield))
    assert any("beyond 0..255" in note and "--input-dtype" in note for note in recognised.unknown)


def test_other_channels_are_taken_as_they_are_stored() -> None:
    dataset = {**DATASET, "channel_names": {"0": "T1", "1": "T2"}}
    own = own_network(2)
    _, network = made(source(own, plans("NoNormalization", channels=2), dataset))
    assert (network.channels, network.channel_order, len(network.mean_rgb)) == (2, "stored", 2)
    assert torch.allclose(answer(network, pixels(2)), finest(own, pixels(2)), atol=1e-3)
