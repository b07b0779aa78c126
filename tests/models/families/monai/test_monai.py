"""MONAI's networks, recognised by their weights alone, against the library's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.monai.monai import Monai
from edgeseg.models.network import Network
from tests.models.families.perturbed import perturbed

nets: Any = pytest.importorskip("monai.networks.nets", reason="MONAI is not installed")

SMALL = (4, 4, 8, 8, 8, 4)  # features of BasicUNet
BUNDLE_NETWORK = {
    "_target_": "monai.networks.nets.UNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 2,
    "channels": "@widths",
    "strides": [3, 1],
    "act": "RELU",
}


def made(source: Source, **arguments: Any) -> tuple[Recognised, Network]:
    family = Monai()
    recognised = family.recognise(source)
    assert recognised is not None
    return recognised, family.make(source, recognised, arguments)


def source_of(module: nn.Module, **configs: Any) -> Source:
    return Source(Path("model.pt"), module.state_dict(), configs)


NETWORKS = {
    "UNet": lambda: nets.UNet(2, 1, 2, (4, 8, 16), (2, 2)),
    "UNet, residual": lambda: nets.UNet(2, 3, 2, (4, 8, 8), (2, 1), num_res_units=2, norm="BATCH"),
    "UNet, kernels of 5": lambda: nets.UNet(
        2, 3, 3, (4, 8, 8, 8), (1, 2, 2), num_res_units=1, norm="BATCH", kernel_size=5, bias=False
    ),
    "UNet, affine": lambda: nets.UNet(2, 3, 1, (4, 8), (2,), norm=("INSTANCE", {"affine": True})),
    "BasicUNet": lambda: nets.BasicUNet(2, 1, 2, SMALL),
    "BasicUNet, shuffled": lambda: nets.BasicUNet(2, 3, 4, SMALL, upsample="pixelshuffle", norm="batch"),
    "BasicUNet, interpolated": lambda: nets.BasicUNet(2, 3, 4, SMALL, upsample="nontrainable", bias=False),
    "DynUNet": lambda: nets.DynUNet(
        2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], filters=(4, 8, 8), deep_supervision=True, deep_supr_num=1
    ),
    "DynUNet, residual": lambda: nets.DynUNet(
        2,
        3,
        2,
        [3, 3, 3, 3],
        [1, 2, 2, [2, 1]],
        [2, 2, [2, 1]],
        filters=(4, 8, 8, 8),
        res_block=True,
        norm_name="batch",
        trans_bias=True,
    ),
    "SegResNet": lambda: nets.SegResNet(2, 8, 1, 2, blocks_down=(1, 1, 2), blocks_up=(1, 1)),
    "SegResNet, up-convolved": lambda: nets.SegResNet(
        2, 8, 3, 2, blocks_down=(1, 2), blocks_up=(1,), upsample_mode="deconv", norm="batch"
    ),
    "SegResNet, PReLU": lambda: nets.SegResNet(
        2, 8, 3, 2, blocks_down=(1, 2), blocks_up=(1,), upsample_mode="pixelshuffle", act="PRELU"
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_made_of_its_weights_alone(name: str) -> None:
    own = perturbed(NETWORKS[name]())
    recognised, network = made(source_of(own))
    assert recognised.architecture == name.partition(",")[0]
    channels = recognised.parameters["in_channels"]
    image = torch.rand((1, channels, 32, 48), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network.module(image), own(image))
    assert network.channel_order == ("grey" if channels == 1 else "rgb")


def test_residual_blocks_show_their_strides_and_others_do_not() -> None:
    residual, _ = made(source_of(NETWORKS["UNet, residual"]()))
    assert (residual.sure, residual.parameters["strides"]) == ("certain", (2, 1))
    plain, _ = made(source_of(NETWORKS["UNet"]()))
    assert plain.sure == "likely"
    assert any("strides: 2 at every level (?strides=2,2)" in text for text in plain.unknown)


def test_what_weights_do_not_show_is_taken_from_the_user() -> None:
    own = perturbed(nets.UNet(2, 1, 2, (4, 8, 16), (3, 1), act="RELU"))
    source = source_of(own)
    with pytest.raises(UsageError, match=r"does not show act .* 'monai:UNet\?act=RELU'"):
        made(source)
    _, network = made(source, strides=(3, 1), act="RELU")
    image = torch.rand(1, 1, 36, 48)
    with torch.inference_mode():
        assert torch.equal(network.module(image), own(image))


def test_weights_for_volumes_are_refused_by_name() -> None:
    own = nets.BasicUNet(3, 1, 2, SMALL)
    with pytest.raises(CheckpointError, match="BasicUNet for volumes"):
        Monai().recognise(source_of(own))


def test_parameters_that_monai_does_not_take_are_refused() -> None:
    with pytest.raises(UsageError, match="MONAI's BasicUNet cannot be made"):
        made(source_of(NETWORKS["BasicUNet"]()), depth=3)


def test_a_bundle_says_network_pixels_and_classes() -> None:
    own = perturbed(nets.UNet(2, 1, 2, (4, 8, 16), (3, 1), act="RELU"))
    inference = {
        "widths": [4, 8, 16],
        "network_def": BUNDLE_NETWORK,
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {
                    "_target_": "ScaleIntensityRanged",
                    "keys": "image",
                    "a_min": 0,
                    "a_max": 255,
                    "b_min": -1,
                    "b_max": 1,
                },
                {"_target_": "Resized", "keys": ["image"], "spatial_size": [48, 36]},
            ],
        },
    }
    metadata = {
        "network_data_format": {"outputs": {"pred": {"channel_def": {"0": "background", "1": "vessel"}}}}
    }
    source = Source(
        Path("bundle"), own.state_dict(), {"inference.json": inference, "metadata.json": metadata}
    )
    recognised, network = made(source)
    assert recognised.sure == "certain"
    assert recognised.parameters["strides"] == [3, 1]
    assert network.class_names == ("background", "vessel")
    assert (network.default_size_hw, network.resize_filter) == ((36, 48), "area")
    assert (network.mean_rgb[0], network.std_rgb[0], network.divide_by_255) == (127.5, 127.5, "never")
    assert network.said["mean_rgb"] == "inference.json"
    image = torch.rand(1, 1, 36, 48)
    with torch.inference_mode():  # MONAI reads a picture by its columns
        assert torch.equal(network.module(image), own(image.transpose(2, 3)).transpose(2, 3))


def test_a_bundle_prepares_pictures_as_monai_does(tmp_path: Path) -> None:
    transforms: Any = pytest.importorskip("monai.transforms")
    pil: Any = pytest.importorskip("PIL.Image")
    rows = np.random.default_rng(0).integers(0, 200, (36, 48), dtype=np.uint8)
    pil.fromarray(rows).save(tmp_path / "picture.png")
    load = transforms.Compose(
        [transforms.LoadImage(image_only=True, ensure_channel_first=True), transforms.NormalizeIntensity()]
    )
    own = perturbed(NETWORKS["UNet"]())
    listed = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        {"_target_": "NormalizeIntensityd", "keys": "image"},
    ]
    inference = {"preprocessing": {"_target_": "Compose", "transforms": listed}}
    _, network = made(source_of(own, **{"inference.json": inference}))
    with torch.inference_mode():
        expected = own(load(tmp_path / "picture.png").as_tensor()[None]).transpose(2, 3)
        found = network.module(torch.from_numpy(rows)[None, None].float())
    assert torch.allclose(found, expected, atol=1e-4)


def test_what_a_bundle_does_besides_is_named() -> None:
    listed = [{"_target_": "ScaleIntensityRangePercentilesd", "keys": "image", "lower": 1, "upper": 99}]
    inference = {"preprocessing": {"_target_": "Compose", "transforms": listed}}
    recognised, _ = made(source_of(NETWORKS["UNet"](), **{"inference.json": inference}))
    assert "the bundle's ScaleIntensityRangePercentilesd is not reproduced" in recognised.unknown


def test_a_sigmoid_after_the_network_means_classes_that_overlap() -> None:
    after = {
        "postprocessing": {"transforms": [{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}]}
    }
    _, network = made(source_of(NETWORKS["UNet"](), **{"inference.json": after}))
    assert network.head == "multilabel"


def test_other_weights_are_none_of_its_own() -> None:
    assert Monai().recognise(source_of(nn.Sequential(nn.Conv2d(3, 4, 3)))) is None
