from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import segmentation
from torchvision.models.detection import maskrcnn_resnet50_fpn
from torchvision.ops.misc import FrozenBatchNorm2d

from edgeseg import demo
from edgeseg.errors import CheckpointError
from edgeseg.models import zoo
from edgeseg.models.checkpoints.loading import load_weights, open_network
from edgeseg.models.checkpoints.nearest import nearest_network
from edgeseg.models.deeplab import deeplabv3_resnet
from edgeseg.models.fpn import BackboneWithFPN
from edgeseg.models.network import Network
from edgeseg.models.resnet import resnet18
from edgeseg.models.unet import UNet

from ..reference_weights import randomise_batch_norm


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


UNET = {"width": 4, "depth": 2}
STRAYS = {
    "criterion.weight": torch.ones(2),
    "train_iou.confmat": torch.zeros(2, 2),
    "mean": torch.zeros(1, 3, 1, 1),
    "std": torch.ones(1, 3, 1, 1),
}


def put_before(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in weights.items()}


def unet_weights(bias: float = 0.5, **parameters: int) -> dict[str, Tensor]:
    net = UNet(2, **{**UNET, **parameters})
    nn.init.constant_(net.outc.conv.bias, bias)
    return net.state_dict()


def biases(network: Network) -> set[float]:
    return set(network.module.outc.conv.bias.tolist())


@pytest.mark.parametrize("prefix", ["student.", "segmentor.", "_model.", "model.module.", "a.b.c."])
def test_frameworks_weights_load_under_any_prefix_and_strays_are_named(tmp_path: Path, prefix: str) -> None:
    torch.save({"state_dict": {**put_before(prefix, unet_weights()), **STRAYS}}, tmp_path / "w.ckpt")

    network, checkpoint = open_network("unet", tmp_path / "w.ckpt")

    assert biases(network) == {0.5}
    (note,) = checkpoint.notes
    assert note.startswith("left out: criterion.weight, train_iou.confmat, mean, std; 4 tensors of ")


def test_a_module_that_is_the_network_itself_has_strays_too(tmp_path: Path) -> None:
    torch.save(
        {**unet_weights(), **STRAYS, "aux_head.conv.weight": torch.ones(2, 4, 1, 1)}, tmp_path / "w.pth"
    )

    assert "aux_head.conv.weight" in open_network("unet", tmp_path / "w.pth")[1].notes[0]


def test_a_users_wrapper_takes_weights_without_its_prefix(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\nfrom edgeseg.models.unet import UNet\n\n"
        "class Wrapped(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.net = UNet(2, width=4, depth=2)\n\n"
        "    def forward(self, image):\n        return self.net(image)\n"
    )
    torch.save({"state_dict": put_before("student.", unet_weights(0.25))}, tmp_path / "w.pth")

    network, _ = open_network(f"{tmp_path}/net.py:Wrapped", tmp_path / "w.pth")

    assert set(network.module.net.outc.conv.bias.tolist()) == {0.25}


def test_a_wrappers_own_buffer_is_not_asked_of_the_file() -> None:
    wrapped = nn.Sequential(OrderedDict(net=UNet(2, width=4, depth=2)))
    wrapped.register_buffer("mean", torch.zeros(3))

    with pytest.raises(
        CheckpointError, match=r"1 missing \(mean\); all that is under net\. was found; .*=False"
    ):
        load_weights(wrapped, unet_weights())


@pytest.mark.parametrize("teacher", [unet_weights(1.0), unet_weights(1.0, width=8, depth=3)])
@pytest.mark.parametrize("plain", ["student.", "model."])
def test_a_student_is_taken_and_its_teacher_named(
    tmp_path: Path, teacher: dict[str, Tensor], plain: str
) -> None:
    weights = {**put_before("teacher.", teacher), **put_before(plain, unet_weights())}
    torch.save({"state_dict": weights}, tmp_path / "w.pth")

    network, checkpoint = open_network("unet", tmp_path / "w.pth")
    other, _ = open_network("unet", tmp_path / "w.pth", ema=True)

    assert (biases(network), biases(other)) == ({0.5}, {1.0})
    assert f"under {plain}, which are taken" in checkpoint.notes[0]
    assert "teacher, under teacher. (--ema takes it)" in checkpoint.notes[0]


@pytest.mark.parametrize("entries", [("model", "ema"), ("student", "teacher")])
def test_an_average_in_another_entry_is_named(tmp_path: Path, entries: tuple[str, str]) -> None:
    plain, average = entries
    torch.save({average: unet_weights(1.0), plain: unet_weights()}, tmp_path / "w.pth")

    network, checkpoint = open_network("unet", tmp_path / "w.pth")

    assert biases(network) == {0.5}
    (note,) = checkpoint.notes
    assert f"in its entry {average} (--ema takes it)" in note


@pytest.mark.parametrize("second", [unet_weights(1.0), unet_weights(1.0, depth=1)])
def test_weights_that_fit_twice_are_asked_for(tmp_path: Path, second: dict[str, Tensor]) -> None:
    torch.save({**put_before("one.", unet_weights()), **put_before("two.", second)}, tmp_path / "w.pth")

    with pytest.raises(CheckpointError, match=r"several times, .* under one\. and two\.; choose by --prefix"):
        open_network("unet", tmp_path / "w.pth")
    assert biases(open_network("unet", tmp_path / "w.pth", prefix="two")[0]) == {1.0}
    assert biases(open_network("unet", tmp_path / "w.pth", prefix="one.")[0]) == {0.5}
    with pytest.raises(CheckpointError, match=r"no names in .* begin with three\.; they begin with one, two"):
        open_network("unet", tmp_path / "w.pth", prefix="three")


def test_further_layers_are_refused_with_the_reason() -> None:
    net = nn.ModuleDict({"stage1": nn.Conv2d(3, 4, 1), "head": nn.Conv2d(4, 2, 1)})
    further = {"stage2.weight": torch.ones(4, 4, 1, 1), "stage2.bias": torch.ones(4)}

    with pytest.raises(
        CheckpointError, match=r"2 unexpected \(stage2.weight, .*another network's; where they"
    ):
        load_weights(net, {**net.state_dict(), **further})


def test_what_was_trained_beside_the_network_is_named_and_left_out() -> None:
    net = nn.ModuleDict({"body": nn.Conv2d(3, 4, 1), "head": nn.Conv2d(4, 2, 1)})
    boundary = {"boundary.weight": torch.ones(1, 4, 1, 1), "boundary.bias": torch.ones(1)}

    (note,) = load_weights(net, {**net.state_dict(), **boundary})

    assert note.startswith("left out: boundary")


def test_half_of_a_network_is_refused_by_what_is_missing() -> None:
    net = nn.ModuleDict({"body": nn.Conv2d(3, 4, 1), "head": nn.Conv2d(4, 2, 1)})

    with pytest.raises(
        CheckpointError, match=r"2 missing \(head.weight, head.bias\); 2 unexpected \(m.tail.weight"
    ):
        load_weights(
            net,
            put_before(
                "m.",
                {
                    "body.weight": torch.ones(4, 3, 1, 1),
                    "body.bias": torch.ones(4),
                    "tail.weight": torch.ones(2, 4, 1, 1),
                    "tail.bias": torch.ones(2),
                },
            ),
        )


@pytest.mark.parametrize(
    ("channels", "fix"),
    [
        (1, "make the network for grey images .* --channel-order grey"),
        (4, r"for 4 channels in .* --channels 4$"),
        (17, "1 to 16, so that it cannot run them"),
    ],
)
def test_another_number_of_image_channels_is_said(channels: int, fix: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    weights = {**net.state_dict(), "0.weight": torch.zeros(4, channels, 3, 3)}

    with pytest.raises(
        CheckpointError, match=rf"weights take images of {channels} channels?, the network of 3 .*{fix}"
    ):
        load_weights(net, weights)


def test_a_unet_of_four_channels_takes_them_as_they_are_stored(tmp_path: Path) -> None:
    torch.save(unet_weights(in_channels=4), tmp_path / "w.pth")
    network, _ = open_network("unet", tmp_path / "w.pth")
    assert (network.channels, network.channel_order) == (4, "stored")
    assert (network.mean_rgb, network.std_rgb) == ((0.0,) * 4, (1.0,) * 4)
    assert "channel_order" not in network.said  # nobody says it


def test_a_unet_of_more_channels_than_there_can_be_is_refused_at_once(tmp_path: Path) -> None:
    torch.save(unet_weights(in_channels=17), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="takes images of 17 channels: edgeseg gives networks 1 to 16"):
        open_network("unet", tmp_path / "w.pth")


def test_the_refused_network_is_not_called_the_nearest() -> None:
    net = zoo.create("demo_deeplab", num_classes=3).module
    weights = {key: value for key, value in net.state_dict().items() if "layer4" not in key}

    with pytest.raises(CheckpointError) as caught:
        load_weights(net, weights, name="demo_deeplab")

    assert "missing" in str(caught.value)
    assert "nearest" not in str(caught.value)


def test_arguments_in_the_name_make_the_network(tmp_path: Path) -> None:
    torch.save(unet_weights(), tmp_path / "w.pth")

    network, _ = open_network("unet?border=mirror", tmp_path / "w.pth")

    assert network.module.border == "mirror"
    assert network.module.depth == 2


def test_the_demos_own_checkpoints_leave_nothing_to_be_said() -> None:
    folder = Path(demo.__file__).parent / "checkpoints"
    for path in folder.glob("*.safetensors"):
        _, checkpoint = open_network(f"demo_{path.stem}", path)
        assert checkpoint.notes == ()


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
        load_weights(net, resnet101, source="w.pth", name="deeplabv3_resnet50")

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
    with pytest.raises(CheckpointError) as caught:
        load_weights(
            nn.Conv2d(3, 2, 1), {"weight": torch.zeros(2, 3, 1, 1, dtype=torch.int8), "bias": torch.ones(2)}
        )
    assert "images of" not in str(caught.value)  # the channels are right
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


def test_adapters_that_are_not_merged_come_with_the_fix(tmp_path: Path) -> None:
    module = nn.ModuleDict({"head": nn.Conv2d(3, 2, 1)})
    weights = {
        "head.base_layer.weight": torch.ones(2, 3, 1, 1),
        "head.lora_A.default.weight": torch.ones(1, 3),
    }
    with pytest.raises(CheckpointError, match=r"merge_and_unload\(\)\.state_dict\(\)"):
        load_weights(module, weights)
