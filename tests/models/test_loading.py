from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import segmentation
from torchvision.models.detection import maskrcnn_resnet50_fpn
from torchvision.ops.misc import FrozenBatchNorm2d

from edgeseg.errors import CheckpointError
from edgeseg.models import zoo
from edgeseg.models.deeplab import deeplabv3_resnet
from edgeseg.models.fpn import BackboneWithFPN
from edgeseg.models.loading import load_weights, nearest_network, open_network
from edgeseg.models.resnet import resnet18
from edgeseg.models.unet import UNet

from .reference_weights import randomise_batch_norm


def test_torchvision_training_checkpoint_opens_by_name(tmp_path: Path) -> None:
    theirs = segmentation.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3, aux_loss=True
    ).eval()
    randomise_batch_norm(theirs)
    torch.save({"model": nn.DataParallel(theirs).state_dict(), "epoch": 1}, tmp_path / "w.pth")

    network, checkpoint = open_network("deeplabv3_mobilenet_v3_large", tmp_path / "w.pth")

    assert checkpoint.entry == "model"
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        expected = theirs.classifier(theirs.backbone(image)["out"])
        torch.testing.assert_close(network.module(image), expected, rtol=1e-4, atol=1e-4)


def test_unet_is_made_to_the_measure_of_its_weights(tmp_path: Path) -> None:
    trained = UNet(1, width=4, depth=3, upsampling="bilinear", bias=True).eval()
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    image = torch.rand(1, 3, 32, 48)

    network, _ = open_network("unet", tmp_path / "w.pth")

    with torch.inference_mode():
        torch.testing.assert_close(network.module(image), trained(image))


def test_unet_of_a_training_framework_is_made_to_the_measure_of_its_weights(tmp_path: Path) -> None:
    trained = UNet(3, width=8, upsampling="bilinear").state_dict()
    lightning = {"state_dict": {f"model.{key}": value for key, value in trained.items()}, "epoch": 3}
    torch.save(lightning, tmp_path / "w.ckpt")

    network, _ = open_network("unet", tmp_path / "w.ckpt")

    assert torch.equal(network.module.inc.double_conv[0].weight, trained["inc.double_conv.0.weight"])


def test_deeplab_of_a_training_framework_has_as_many_classes_as_its_weights(tmp_path: Path) -> None:
    theirs = zoo.create("demo_deeplab", num_classes=3).module.state_dict()
    weights = {f"net.{key}": value for key, value in theirs.items()}
    torch.save(weights, tmp_path / "w.pth")

    network, _ = open_network("demo_deeplab", tmp_path / "w.pth")

    assert network.module.state_dict()["classifier.classifier.3.weight"].shape[0] == 3


def test_own_network_with_an_attribute_called_module_loads_its_weights(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef build():\n    return nn.ModuleDict({'module': nn.Conv2d(3, 2, 1)})\n"
    )
    torch.save(nn.ModuleDict({"module": nn.Conv2d(3, 2, 1)}).state_dict(), tmp_path / "w.pth")

    network, _ = open_network(f"{tmp_path}/net.py:build", tmp_path / "w.pth")

    assert list(network.module) == ["module"]


def test_half_precision_weights_are_cast(tmp_path: Path) -> None:
    half = {key: v.half() if v.is_floating_point() else v for key, v in UNet(2, width=4).state_dict().items()}
    torch.save(half, tmp_path / "w.pth")

    net = open_network("unet", tmp_path / "w.pth")[0].module

    assert net.outc.conv.weight.dtype == torch.float32
    assert torch.equal(net.outc.conv.weight, half["outc.conv.weight"].float())


def test_frozen_batch_norm_has_no_counter_and_loads() -> None:
    frozen = BackboneWithFPN(resnet18(width=8, norm_layer=FrozenBatchNorm2d))
    net = BackboneWithFPN(resnet18(width=8))

    load_weights(net, frozen.state_dict())
    load_weights(frozen, net.state_dict())

    assert torch.equal(net.body.conv1.weight, frozen.body.conv1.weight)


def test_first_spelling_of_torchvisions_detectors_loads() -> None:
    theirs = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3).state_dict()
    ours = zoo.create("maskrcnn_resnet50_fpn", num_classes=3).module
    old = {
        key.replace("_blocks.0.0.", "_blocks.0.")
        .replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        .replace("mask_head.1.0.", "mask_head.mask_fcn2."): value
        for key, value in theirs.items()
    }
    assert len(old.keys() - theirs.keys()) == 8

    load_weights(ours, old)

    for key, value in ours.state_dict().items():
        assert torch.equal(value, theirs[key])


@pytest.mark.parametrize("wrapper", ["model.", "net."])
def test_framework_prefix_is_taken_off(wrapper: str) -> None:
    net = UNet(2, width=4)
    weights = {wrapper + key: torch.ones_like(value) for key, value in net.state_dict().items()}

    load_weights(net, weights)

    assert bool((net.outc.conv.weight == 1).all())


def test_prefix_that_the_module_has_itself_stays() -> None:
    net = nn.ModuleDict({"model": nn.Linear(2, 2)})

    load_weights(net, {"model.weight": torch.ones(2, 2), "model.bias": torch.ones(2)})

    assert bool((net["model"].weight == 1).all())


def test_mismatch_names_keys_classes_and_the_nearest_network() -> None:
    with torch.device("meta"):
        resnet101 = deeplabv3_resnet("resnet101", 5).state_dict()
    net = deeplabv3_resnet("resnet50", 3)
    before = net.classifier[4].bias.clone()

    with pytest.raises(CheckpointError) as caught:
        load_weights(net, resnet101, source="w.pth")

    message = str(caught.value)
    assert message.startswith("w.pth does not fit the network: ")
    assert "255 unexpected (backbone.layer3.6.conv1.weight" in message
    assert "and 252 more)" in message  # 17 blocks of 3 convolutions and 3 normalisations, 15 tensors
    assert "classifier.4.weight is float32 (5, 256, 1, 1) and should be float32 (3, 256, 1, 1)" in message
    assert "the weights have 5 classes, the network 3 (--num-classes 5)" in message
    assert message.endswith("of the zoo, deeplabv3_resnet101 is the nearest")
    assert torch.equal(net.classifier[4].bias, before)


def test_missing_keys_and_integer_weights_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"1 missing \(bias\)"):
        load_weights(nn.Linear(2, 2), {"weight": torch.zeros(2, 2)})
    with pytest.raises(CheckpointError, match=r"weight is int8 \(2, 2\) and should be float32"):
        load_weights(nn.Linear(2, 2, bias=False), {"weight": torch.zeros(2, 2, dtype=torch.int8)})


@pytest.mark.parametrize("name", [name for name in zoo.names() if name != "demo_unet"])
def test_every_network_is_nearest_to_itself(name: str) -> None:
    with torch.device("meta"):
        weights = zoo.create(name, num_classes=9).module.state_dict()

    assert nearest_network(weights) == name


def test_nothing_is_near_to_unrelated_weights() -> None:
    assert nearest_network(nn.Linear(2, 2).state_dict()) is None


def test_a_network_is_not_made_far_larger_than_its_weights(tmp_path: Path) -> None:
    weights = UNet(2, width=4).state_dict()
    weights["inc.double_conv.0.weight"] = torch.zeros(40_000, 1, 1, 1)
    torch.save(weights, tmp_path / "wide.pt")
    with pytest.raises(CheckpointError, match=r"as unet, takes 640000 channels, .*--limit width=640000"):
        open_network("unet", tmp_path / "wide.pt")
    weights["inc.double_conv.0.weight"] = torch.zeros(1000, 1, 1, 1)
    torch.save(weights, tmp_path / "large.pt")
    with pytest.raises(CheckpointError, match=r"as unet, takes .* MiB, at most 512 MiB"):
        open_network("unet", tmp_path / "large.pt")
