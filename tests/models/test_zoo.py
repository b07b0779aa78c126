from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgeseg.errors import ExportError, UsageError
from edgeseg.label_sets.coco import COCO
from edgeseg.label_sets.voc import VOC
from edgeseg.models import zoo
from edgeseg.models.network import IMAGENET_MEAN_RGB, Network

PROMISED = {
    "unet",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
    "deeplabv3_mobilenet_v3_large",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
    "demo_unet",
    "demo_deeplab",
    "demo_maskrcnn",
}

USER_FILE = """
import torch
from torch import nn
from neighbour import CHANNELS
from edgeseg.models.network import Network

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, num_classes, 1)

    def forward(self, image):
        return {"out": self.conv(image), "aux": None}

def make(num_classes=4):
    return Net(num_classes)

def make_network():
    return Network(Net(2), "semantic", mean_rgb=(0.5, 0.5, 0.5))

def broken():
    raise RuntimeError("out of cheese\\nsecond line")

def needs_one(num_classes):
    return Net(num_classes)

def silent():
    raise ValueError

def leaves():
    raise SystemExit(3)

def wrong():
    return 5
"""


def test_every_promised_network_can_be_made_with_any_number_of_classes() -> None:
    assert set(zoo.names()) >= PROMISED
    for name in zoo.names():
        with torch.device("meta"):
            network = zoo.create(name, num_classes=7)
        assert network.class_names is None
        assert not network.module.training
        assert network.task == ("instance" if "maskrcnn" in name else "semantic")


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("unet", None),
        ("deeplabv3_resnet50", VOC.class_names),
        ("maskrcnn_resnet50_fpn", COCO.class_names),
        ("demo_deeplab", zoo.DEMO_NAMES),
    ],
)
def test_class_names_belong_to_the_default_number_of_classes(
    name: str, names: tuple[str, ...] | None
) -> None:
    with torch.device("meta"):
        assert zoo.create(name).class_names == names


def test_published_class_names_stand_at_their_ids() -> None:
    assert (len(VOC.class_names), VOC.class_names[15]) == (21, "person")
    assert (len(COCO.class_names), COCO.class_names[1], COCO.class_names[90]) == (91, "person", "toothbrush")


@pytest.mark.parametrize("name", ["demo_unet", "demo_deeplab", "demo_maskrcnn"])
def test_demo_networks_run_at_the_demos_size(name: str) -> None:
    network = zoo.create(name)
    assert network.default_size_hw is not None

    with torch.inference_mode():
        output = network.module(torch.zeros(1, 3, *network.default_size_hw))

    if network.task == "semantic":
        assert output.shape[:2] == (1, 6)
    else:
        assert output.masks.shape[2:] == (28, 28)


def test_pixels_are_normalised_as_the_weights_were_trained() -> None:
    with torch.device("meta"):
        assert zoo.create("unet").mean_rgb == (0.0, 0.0, 0.0)
        assert zoo.create("deeplabv3_resnet50").std_rgb == (0.229, 0.224, 0.225)


def test_published_mask_rcnn_weights_are_known_by_their_hash() -> None:
    read = zoo.read_parameters("maskrcnn_resnet50_fpn", {}, sha256="bf2d0c1e" + "0" * 56)

    assert read == {"norm_eps": 0.0}
    assert zoo.read_parameters("maskrcnn_resnet50_fpn", {}, sha256="0" * 64) == {}


def test_weights_that_may_want_another_epsilon_are_named() -> None:
    frozen = {"backbone.body.bn1.running_var": torch.ones(1)}
    counted = {**frozen, "backbone.body.bn1.num_batches_tracked": torch.tensor(3)}

    assert zoo.may_need_norm_eps("maskrcnn_resnet50_fpn", frozen, sha256="0" * 64)
    assert not zoo.may_need_norm_eps("maskrcnn_resnet50_fpn", frozen, sha256="bf2d0c1e" + "0" * 56)
    assert not zoo.may_need_norm_eps("maskrcnn_resnet50_fpn_v2", frozen, sha256="0" * 64)
    assert not zoo.may_need_norm_eps("maskrcnn_resnet50_fpn", counted, sha256="0" * 64)


def test_a_unet_for_one_channel_takes_grey_pixels() -> None:
    assert zoo.create("unet", in_channels=1, width=4).channel_order == "grey"
    assert zoo.create("unet", width=4).channel_order == "rgb"
    own = zoo.create("edgeseg.models.unet:UNet", num_classes=2, in_channels=1, width=4)
    assert own.channel_order == "grey"


def test_user_function_in_a_file(tmp_path: Path) -> None:
    place = write_user_file(tmp_path)
    path_before = list(sys.path)

    network = zoo.create(f"{place}:make", num_classes=3)

    assert network.module(torch.zeros(1, 3, 4, 5))["out"].shape == (1, 3, 4, 5)
    assert network.task == "semantic"
    assert network.mean_rgb == IMAGENET_MEAN_RGB
    assert zoo.create(f"{place}:make_network").mean_rgb == (0.5, 0.5, 0.5)
    assert sys.path == path_before


def test_user_function_in_a_package() -> None:
    network = zoo.create("edgeseg.models.unet:UNet", num_classes=2, width=4)

    assert network.module(torch.zeros(1, 3, 16, 16)).shape == (1, 2, 16, 16)


def test_users_own_mask_rcnn_is_an_instance_network() -> None:
    network = zoo.create("edgeseg.models.mask_rcnn:mask_rcnn_resnet18_fpn", num_classes=2, width=8)

    assert (network.task, network.resize) == ("instance", "shortest_edge")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("missing", "has no function 'missing'"),
        ("wrong", "must return an nn.Module with semantic logits, got int"),
        ("needs_one", "needs_one takes other parameters: missing a required argument: 'num_classes'"),
    ],
)
def test_user_function_that_is_none_is_named(tmp_path: Path, function: str, message: str) -> None:
    place = write_user_file(tmp_path)

    with pytest.raises(UsageError, match=message):
        zoo.create(f"{place}:{function}")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("broken", "broken failed: RuntimeError: out of cheese"),
        ("silent", "silent failed: ValueError: no message"),
        ("leaves", "leaves failed: SystemExit: 3"),
    ],
)
def test_user_function_that_fails_is_one_line(tmp_path: Path, function: str, message: str) -> None:
    place = write_user_file(tmp_path)

    with pytest.raises(ExportError) as caught:
        zoo.create(f"{place}:{function}")

    assert str(caught.value) == f"{place}:{message}"


def test_a_file_that_leaves_while_it_is_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("raise SystemExit('usage: script\\nsecond line')")

    with pytest.raises(UsageError, match=r"cannot import .*script\.py: SystemExit: usage: script$"):
        zoo.create(f"{tmp_path}/script.py:make")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channel_order": "brg"}, "channel_order must be rgb or bgr or grey or stored, got 'brg'"),
        ({"divide_by_255": "maybe"}, "divide_by_255 must be before or never or after, got 'maybe'"),
        ({"resize": "crop"}, "resize must be stretch or letterbox or shortest_edge, got 'crop'"),
        ({"resize_filter": "cubic"}, "resize_filter must be linear or .* or pil or None, got 'cubic'"),
        ({"mean_rgb": (0.5,)}, r"mean_rgb must be three numbers, such as .*, got \(0.5,\)"),
        ({"std_rgb": 0.5}, "std_rgb must be three numbers, such as .*, got 0.5"),
        ({"std_rgb": ("1", "1", "1")}, "std_rgb must be three numbers"),
    ],
)
def test_a_network_expects_of_the_pixels_what_there_is(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=rf"Network\.{message}"):
        Network(nn.Identity(), "semantic", **fields)


def test_unknown_names_are_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean deeplabv3_resnet50"):
        zoo.create("deeplabv3_resnet5")
    with pytest.raises(UsageError, match="there are unet, "):
        zoo.create("zebra")
    with pytest.raises(UsageError, match=r"write nets/m\.py:FUNCTION"):
        zoo.create("nets/m.py")
    with pytest.raises(UsageError, match=r"there is no file .*net\.py"):
        zoo.create(f"{tmp_path}/net.py:make")
    with pytest.raises(UsageError, match="cannot import no_such_package: ModuleNotFoundError"):
        zoo.create("no_such_package:make")
    with pytest.raises(
        UsageError, match=r"unet cannot be made with .*'colour'.*it takes num_classes, .* width,"
    ):
        zoo.create("unet", colour="red")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("unett", r"did you mean unet\?$"),
        ("deeplabv3_resnt50", r"did you mean deeplabv3_resnet50\?$"),
        ("maskrcnn", "did you mean maskrcnn_resnet50_fpn or maskrcnn_resnet50_fpn_v2 or"),
        (
            "fcn_resnet50",
            "torchvision's, and not in the zoo; .*'torchvision.models.segmentation:fcn_resnet50",
        ),
        ("lraspp_mobilenet_v3_large", "torchvision's, and not in the zoo"),
        ("fasterrcnn_resnet50_fpn", "finds boxes"),
        ("yolov8n", "finds boxes"),
        ("deeplabv3plus_resnet34", "there are unet, "),
        ("unetplusplus", "there are unet, "),
        ("segformer", "there are unet, "),
    ],
)
def test_only_what_is_near_is_suggested(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint) as caught:
        zoo.create(name)

    assert ("did you mean" in str(caught.value)) == hint.startswith("did")


def test_the_hint_for_a_network_of_torchvision_makes_it() -> None:
    network = zoo.create("torchvision.models.segmentation:fcn_resnet50?weights_backbone=None&num_classes=3")

    assert network.module.classifier[4].out_channels == 3


def test_a_function_gets_the_arguments_in_its_name(tmp_path: Path) -> None:
    place = write_user_file(tmp_path)
    with (tmp_path / "net.py").open("a") as file:
        file.write(
            "\ndef build(encoder='resnet18', depth=5):\n    made = Net(depth)\n    made.encoder = encoder\n"
            "    return made\n"
        )

    network = zoo.create(f"{place}:build?encoder=mobile+net&depth=3").module

    assert (network.encoder, network.conv.out_channels) == ("mobile net", 3)
    with pytest.raises(UsageError, match=r"argument 'width'; they are \(encoder='resnet18', depth=5\)"):
        zoo.create(f"{place}:build?width=3")


def write_user_file(folder: Path) -> Path:
    (folder / "neighbour.py").write_text("CHANNELS = 3\n")
    path = folder / "net.py"
    path.write_text(USER_FILE)
    return path
