"""Networks of segmentation-models-pytorch are recognised, made, and compute what the library's own do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.export import export
from edgeseg.models.families.opening import open_source
from edgeseg.models.families.registry import recognise
from edgeseg.models.families.smp.family import Smp
from edgeseg.models.families.source import read_source
from tests.models.families.nontrivial import trained_looking

smp = pytest.importorskip("segmentation_models_pytorch", reason="extra smp", exc_type=ImportError)

CLASSES = 3
SIDE = 128  # PAN pools seven times
SMALLEST = "tu-mobilenetv3_small_050"

ARCHITECTURES = {
    "Unet": {"decoder_channels": (32, 16, 16, 16, 16), "decoder_attention_type": "scse"},
    "UnetPlusPlus": {"encoder_depth": 3, "decoder_channels": (16, 12, 8)},
    "MAnet": {"decoder_channels": (32, 16, 16, 16, 16), "decoder_pab_channels": 8},
    "Linknet": {"decoder_use_norm": {"type": "instancenorm", "affine": True}},
    "FPN": {
        "decoder_pyramid_channels": 32,
        "decoder_segmentation_channels": 32,
        "decoder_merge_policy": "cat",
    },
    "PSPNet": {"psp_out_channels": 32},
    "DeepLabV3": {"decoder_channels": 16, "decoder_aspp_separable": True},
    "DeepLabV3Plus": {"decoder_channels": 16},
    "PAN": {"decoder_channels": 16},
    "UPerNet": {"decoder_channels": 16},
    "Segformer": {"decoder_segmentation_channels": 16},
}


@pytest.fixture
def made() -> Callable[..., nn.Module]:
    """Make a network by the library, as a training leaves it."""

    def make(architecture: str, encoder: str = SMALLEST, **parameters: Any) -> nn.Module:
        torch.manual_seed(1)
        given = {"classes": CLASSES, "encoder_weights": None, **parameters}
        return trained_looking(getattr(smp, architecture)(encoder, **given))

    return make


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture_is_read_from_bare_weights_and_computes_the_same(
    architecture: str, made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    network = made(architecture, **ARCHITECTURES[architecture])
    source = read_source(_saved(network.state_dict(), tmp_path))
    found = recognise(source)
    assert (found.model, found.backbone, found.num_classes) == (f"smp:{architecture}", SMALLEST, CLASSES)
    opened = open_source("auto", source)
    assert _differs_by(network, opened.network.module) == 0
    assert any("library's defaults: " in note for note in opened.notes)


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v2", "efficientnet-b0", "tu-convnext_atto"])
def test_an_encoder_is_read_from_bare_weights(
    encoder: str, made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    network = made("FPN", encoder, decoder_pyramid_channels=32, decoder_segmentation_channels=32)
    opened = open_source("auto", read_source(_saved(network.state_dict(), tmp_path)))
    assert (opened.recognised.backbone, opened.recognised.sure) == (encoder, "certain")
    assert _differs_by(network, opened.network.module) == 0


def test_a_folder_says_all_and_leaves_nothing_to_assume_of_the_network(
    made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    network = made("DeepLabV3Plus", decoder_atrous_rates=(2, 4, 6), activation="softmax2d")
    network.save_pretrained(tmp_path)
    transforms = [
        {"__class_fullname__": "Resize", "height": 96, "width": 160, "interpolation": 1},
        {"__class_fullname__": "Normalize", "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]},
    ]
    beside = {"transform": {"__class_fullname__": "Compose", "transforms": transforms}}
    (tmp_path / "albumentations_config_eval.json").write_text(json.dumps(beside))
    opened = open_source("smp", read_source(tmp_path))
    assert (opened.recognised.sure, opened.recognised.unknown) == ("certain", ())
    assert opened.network.head == "softmax"
    assert (opened.network.default_size_hw, opened.network.resize_filter) == ((96, 160), "linear")
    assert opened.network.mean_rgb == (0.1, 0.2, 0.3)
    assert opened.network.said["mean_rgb"] == "albumentations_config_eval.json"
    assert _differs_by(network, opened.network.module) == 0


def test_a_network_is_exported_with_its_encoders_own_pixels(
    made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    path = _saved(made("Linknet").state_dict(), tmp_path)
    exported = export("auto", tmp_path / "x.onnx", weights=path, size_hw=(64, 64))
    assert exported.parity.passed
    assert np.allclose(exported.spec.graph.mean_rgb, (0.485, 0.456, 0.406))
    assert any("encoder's own parameters in timm" in note for note in exported.notes)


def test_weights_that_two_encoders_have_need_its_name(made: Callable[..., nn.Module], tmp_path: Path) -> None:
    network = made("Linknet", "tu-tf_mobilenetv3_small_minimal_100")
    source = read_source(_saved(network.state_dict(), tmp_path))
    assert recognise(source).backbone == "tu-tf_mobilenetv3_small_minimal_100"
    network = made("Linknet", "tu-tf_efficientnet_b0")  # pads as TensorFlow does, unlike tu-efficientnet_b0
    source = read_source(_saved(network.state_dict(), tmp_path))
    with pytest.raises(
        CheckpointError, match=r"tu-efficientnet_b0 or.*tu-tf_efficientnet_b0.*name it: smp:Linknet"
    ):
        open_source("smp", source)
    opened = open_source("smp:Linknet?encoder_name=tu-tf_efficientnet_b0", source)
    assert _differs_by(network, opened.network.module) == 0
    named = {
        "state_dict": network.state_dict(),
        "hyper_parameters": {"encoder_name": "tu-tf_efficientnet_b0"},
    }
    torch.save(named, tmp_path / "trained.ckpt")
    assert recognise(read_source(tmp_path / "trained.ckpt")).backbone == "tu-tf_efficientnet_b0"


def test_weights_of_an_unknown_encoder_come_with_the_way_to_name_it(
    made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    weights = made("FPN", "resnet18").state_dict()
    weights["encoder.extra.weight"] = torch.ones(2)
    with pytest.raises(CheckpointError, match=r"as resnet18.*smp:FPN\?encoder_name=NAME"):
        open_source("smp", read_source(_saved(weights, tmp_path)))


def test_weights_of_earlier_releases_are_known_by_their_old_names(
    made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    network = made("DeepLabV3", decoder_channels=16)
    parts = {"decoder.aspp.": "decoder.0.", "decoder.conv.": "decoder.1.", "decoder.bn.": "decoder.2."}
    weights = {}
    for name, tensor in network.state_dict().items():
        begin = next((new for new in parts if name.startswith(new)), "")
        old = parts.get(begin, "") + name.removeprefix(begin)
        weights[old.replace("encoder.model.", "encoder.")] = tensor
    opened = open_source("auto", read_source(_saved(weights, tmp_path)))
    assert opened.recognised.model == "smp:DeepLabV3"
    assert _differs_by(network, opened.network.module) == 0


def test_grey_networks_and_those_with_a_second_head_are_recognised(
    made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    network = made("Linknet", in_channels=1, aux_params={"classes": 4})
    opened = open_source("auto", read_source(_saved(network.state_dict(), tmp_path)))
    assert opened.network.channel_order == "grey"
    images = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images)[0], opened.network.module(images)[0])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"encoder_name": "tu-hf-hub:somebody/net"}, "no encoder's name"),
        ({"encoder_name": "../../net"}, "no encoder's name"),
        ({"checkpoint_path": "/etc/passwd"}, "could load other files"),
        ({"pretrained_cfg": {"file": "x"}}, "could load other files"),
        ({"decoder_channels": [1 << 40] * 5}, "width"),
    ],
)
def test_settings_that_would_load_or_fill_memory_are_refused(
    setting: Mapping[str, Any], message: str, made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    made("Unet").save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **setting}))
    with pytest.raises(CheckpointError, match=message):
        open_source("auto", read_source(tmp_path))


def test_arguments_that_the_architecture_lacks_are_named(
    made: Callable[..., nn.Module], tmp_path: Path
) -> None:
    source = read_source(_saved(made("Linknet").state_dict(), tmp_path))
    with pytest.raises(UsageError, match=r"smp:Linknet cannot be made with .*decoder_colour"):
        open_source("smp:Linknet?decoder_colour=3", source)


def test_other_weights_are_none_of_the_librarys() -> None:
    assert set(ARCHITECTURES) == set(Smp().layouts)


def _saved(weights: Mapping[str, Tensor], folder: Path) -> Path:
    path = folder / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    return path


def _differs_by(one: nn.Module, other: nn.Module) -> float:
    images = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return float((one(images) - other(images)).abs().max())
