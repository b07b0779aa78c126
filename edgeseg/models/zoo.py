"""The zoo: turn a name, or the place of a user's function, into a network and what its weights expect."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from edgeseg.errors import EdgesegError, UsageError
from edgeseg.label_sets.coco import COCO
from edgeseg.label_sets.voc import VOC
from edgeseg.models import unet
from edgeseg.models.checkpoints.checkpoint import num_classes_of
from edgeseg.models.deeplab import (
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet,
    deeplabv3plus_mobilenet_v3_large,
    deeplabv3plus_resnet,
)
from edgeseg.models.mask_rcnn import (
    MaskRCNN,
    mask_rcnn_mobilenet_v3_large_fpn,
    mask_rcnn_resnet18_fpn,
    mask_rcnn_resnet50_fpn,
    mask_rcnn_resnet50_fpn_v2,
)
from edgeseg.models.network import (
    DESCRIBED,
    IMAGENET_MEAN_RGB,
    IMAGENET_STD_RGB,
    UNIT_STD_RGB,
    ZERO_MEAN_RGB,
    Network,
)
from edgeseg.models.network_name import split_name
from edgeseg.models.normalisation import is_frozen
from edgeseg.models.unknown_name import hint
from edgeseg.models.user_function import call_user_function
from edgeseg.spec import (
    RGB_CHANNELS,
    PerChannel,
    ResizeFilter,
    ResizePolicy,
    Task,
)

COCO_V1_NETWORK = "maskrcnn_resnet50_fpn"
TORCHVISION_COCO_V1_SHA256 = "bf2d0c1e"
"""How the hash of torchvision's published `maskrcnn_resnet50_fpn` weights begins, as in their file name."""
TORCHVISION_COCO_V2_SHA256 = "73cbd019"
"""Of `maskrcnn_resnet50_fpn_v2`, likewise."""
TORCHVISION_COCO_SHA256 = (TORCHVISION_COCO_V1_SHA256, TORCHVISION_COCO_V2_SHA256)


@dataclass(frozen=True)
class _Kind:
    """A name of the zoo: how to make its module, and the rest of its `Network`."""

    make: Callable[..., nn.Module]
    default_names: tuple[str, ...] | None  # of the published weights; their number is the default num_classes
    task: Task = "semantic"
    mean_rgb: PerChannel = IMAGENET_MEAN_RGB
    std_rgb: PerChannel = IMAGENET_STD_RGB
    default_size_hw: tuple[int, int] | None = None
    resize: ResizePolicy = "stretch"
    resize_filter: ResizeFilter | None = None


_SEGMENTER = partial(_Kind, default_names=VOC.class_names, default_size_hw=(520, 520))
_DETECTOR = partial(
    _Kind,
    default_names=COCO.class_names,
    task="instance",
    default_size_hw=(800, 1066),  # 480 x 640 after torchvision's own resizing
    resize="shortest_edge",
    resize_filter="linear",  # torchvision's detection models resize inside the network, without antialias
)
DEMO_DETECTOR = "demo_maskrcnn"
DEMO_MASK_RCNN: Mapping[str, Any] = {
    "width": 32,
    "widest": 96,  # channels; most of a network's weights are in its deepest stages
    "pyramid_channels": 64,
    "anchor_sizes": ((24,), (40,), (64,), (92,), (128,)),  # pixels; P2 .. P5 and "pool"
    "rpn_pre_nms": 200,
    "rpn_post_nms": 100,
    "representation_size": 80,
    "mask_channels": (64, 64),
    "mask_hidden_channels": 64,
    "detections_per_image": 20,
}
"""The demo's Mask R-CNN, as it is run and as `tools/training` trains it."""

DEMO_NAMES = ("background", "ball", "box", "cone", "ring", "star")  # of its synthetic scenes
_DEMO = partial(_Kind, default_names=DEMO_NAMES, default_size_hw=(240, 320))

UNET_CLASSES = 2  # milesial's Carvana weights: car and background

_KINDS: Mapping[str, _Kind] = {
    "unet": _Kind(unet.UNet, None, mean_rgb=ZERO_MEAN_RGB, std_rgb=UNIT_STD_RGB),
    "deeplabv3_resnet50": _SEGMENTER(partial(deeplabv3_resnet, "resnet50")),
    "deeplabv3_resnet101": _SEGMENTER(partial(deeplabv3_resnet, "resnet101")),
    "deeplabv3_mobilenet_v3_large": _SEGMENTER(deeplabv3_mobilenet_v3_large),
    "deeplabv3plus_resnet18": _SEGMENTER(partial(deeplabv3plus_resnet, "resnet18")),
    "deeplabv3plus_resnet50": _SEGMENTER(partial(deeplabv3plus_resnet, "resnet50")),
    "deeplabv3plus_resnet101": _SEGMENTER(partial(deeplabv3plus_resnet, "resnet101")),
    "deeplabv3plus_mobilenet_v3_large": _SEGMENTER(deeplabv3plus_mobilenet_v3_large),
    "maskrcnn_resnet50_fpn": _DETECTOR(mask_rcnn_resnet50_fpn),
    "maskrcnn_resnet50_fpn_v2": _DETECTOR(mask_rcnn_resnet50_fpn_v2),
    "maskrcnn_mobilenet_v3_large_fpn": _DETECTOR(mask_rcnn_mobilenet_v3_large_fpn),
    # The demo's networks, small enough to train on a CPU.
    "demo_unet": _DEMO(partial(unet.UNet, width=16, depth=3)),
    "demo_deeplab": _DEMO(
        partial(
            deeplabv3plus_resnet,
            "resnet18",
            width=32,
            widest=96,
            rates=(2, 4, 6),  # 6 cells are 96 pixels; the largest object has 90
            aspp_channels=64,
            low_level_channels=24,
        )
    ),
    DEMO_DETECTOR: _DEMO(
        partial(mask_rcnn_resnet18_fpn, **DEMO_MASK_RCNN), task="instance", resize="shortest_edge"
    ),
}


def names() -> list[str]:
    """List the names that `create` knows."""
    return list(_KINDS)


def create(name: str, *, num_classes: int | None = None, **parameters: Any) -> Network:
    """Make a network with random weights, in evaluation mode.

    Args:
        name: one of `names()`, or `package.module:function` or `path/to/file.py:function`. Arguments may
            follow, as `split_name` reads them, beside `parameters`. Such a function is called with them (and
            `num_classes`, if given); it returns an `nn.Module` with semantic output (see
            `network_outputs.choose` for what counts), edgeseg's `MaskRCNN`, or a `Network` of its own, where
            pixels are grey, or not normalised by ImageNet's mean and deviation, or its output is no logits.
        num_classes: background included; that of the published weights by default.
        parameters: keyword arguments of the network's own function.

    Raises:
        UsageError: if there is no such network, or it cannot be made with these parameters.
        ExportError: if the user's function fails.
    """
    name, arguments = split_name(name)
    parameters = {**arguments, **parameters}
    if num_classes is not None:
        parameters["num_classes"] = num_classes
    if ":" in name:
        return network_of(call_user_function(name, parameters), name)
    if name.endswith(".py"):
        raise UsageError(f"{name} names no function: write {name}:FUNCTION, one that returns the network")
    if name not in _KINDS:
        raise UsageError(f"no network {name!r}; {hint(name, names())}")
    kind = _KINDS[name]
    fallback = UNET_CLASSES if kind.default_names is None else len(kind.default_names)
    parameters.setdefault("num_classes", fallback)
    try:
        module = kind.make(**parameters)
    except EdgesegError:
        raise
    except Exception as error:  # the parameters may be anything
        raise UsageError(
            f"{name} cannot be made with {parameters}: {error}; it takes {_parameters_of(kind)}"
        ) from error
    fits = kind.default_names is not None and len(kind.default_names) == parameters["num_classes"]
    network = Network(
        module=module.eval(),
        task=kind.task,
        mean_rgb=kind.mean_rgb,
        std_rgb=kind.std_rgb,
        class_names=kind.default_names if fits else None,
        default_size_hw=kind.default_size_hw,
        resize=kind.resize,
        resize_filter=kind.resize_filter,
        head="logits" if kind.task == "semantic" else None,
        said=dict.fromkeys(DESCRIBED, f"edgeseg's {name}"),
    )
    return _of_own_channels(network)


def network_of(made: object, place: str) -> Network:
    """Say what a user's network expects as far as its type tells, and put it into evaluation mode.

    Args:
        made: a `Network`, which says it all; a `MaskRCNN`; or a module with semantic output, whose pixels are
            taken for normalised by ImageNet's mean and deviation.
        place: where it is from, for messages.

    Raises:
        UsageError: if it is none of these.
    """
    if isinstance(made, Network):
        made.module.eval()
        return replace(made, said={**dict.fromkeys(DESCRIBED, f"the Network of {place}"), **made.said})
    if isinstance(made, MaskRCNN):
        said = dict.fromkeys(DESCRIBED, "edgeseg's MaskRCNN")
        return Network(made.eval(), "instance", resize="shortest_edge", resize_filter="linear", said=said)
    if isinstance(made, nn.Module):
        made.eval()
        return _of_own_channels(Network(made, "semantic"))
    raise UsageError(f"{place} must return an nn.Module with semantic logits, got {type(made).__name__}")


def read_parameters(name: str, weights: Mapping[str, Tensor], *, sha256: str = "") -> dict[str, Any]:
    """Read from a state dict the parameters with which `create(name, ...)` makes the network it fits.

    Args:
        name: as in `create`.
        weights: tensors by name.
        sha256: of the file they came in; published weights that need their own parameters are known by it.

    Returns:
        The number of classes; for a U-Net also width, depth and the rest; empty for a user's own function
        and where these are not the weights of such a network.
    """
    if ":" in name:
        return {}
    if name == "unet" and unet.is_unet(weights):
        return unet.read_parameters(weights)
    classes = num_classes_of(weights)
    parameters: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if name == COCO_V1_NETWORK and sha256.startswith(TORCHVISION_COCO_V1_SHA256):
        parameters["norm_eps"] = 0.0
    return parameters


def is_detector(name: str) -> bool:
    """Tell whether a network of the zoo is a Mask R-CNN."""
    return _KINDS[name].task == "instance"


def has_unsaid_anchors(name: str, *, sha256: str) -> bool:
    """Tell whether weights may have been trained with other anchors than the network's own.

    Args:
        name: of the network; a demo's weights, and what a function of the user's makes, have the anchors that
            they say.
        sha256: of the weights' file; published weights have torchvision's anchors.
    """
    theirs = name in _KINDS and is_detector(name) and name != DEMO_DETECTOR
    return theirs and not sha256.startswith(TORCHVISION_COCO_SHA256)


def may_need_norm_eps(name: str, weights: Mapping[str, Tensor], *, sha256: str) -> bool:
    """Tell whether weights may stem from torchvision's COCO weights without being that very file.

    Those want an epsilon of 0. Saved again, or trained further, they cannot be told from weights that were
    trained from an ImageNet backbone: both have frozen normalisation, with the same numbers in it.

    Args:
        weights: tensors by name.
        sha256: of the file they came in.
    """
    is_published = sha256.startswith(TORCHVISION_COCO_V1_SHA256)
    return name == COCO_V1_NETWORK and not is_published and is_frozen(weights)


def _parameters_of(kind: _Kind) -> str:
    """List what a network's function takes; that of a Mask R-CNN hands the rest on to `MaskRCNN`."""
    signatures = [inspect.signature(kind.make)]
    if kind.task == "instance":
        signatures.append(inspect.signature(MaskRCNN))
    found = {
        name: None
        for signature in signatures
        for name, parameter in signature.parameters.items()
        if parameter.kind != parameter.VAR_KEYWORD and name != "backbone"
    }
    return ", ".join(found)


def _of_own_channels(network: Network) -> Network:
    """Give a network the channels that its module takes: only our U-Net says so, of which nobody says more.

    One channel is grey, which ImageNet has no mean of; others are taken as they are stored.
    """
    module = network.module
    channels = module.in_channels if isinstance(module, unet.UNet) else RGB_CHANNELS
    if channels == RGB_CHANNELS:
        return network
    if channels == 1:
        return replace(network, mean_rgb=ZERO_MEAN_RGB, std_rgb=UNIT_STD_RGB, channel_order="grey")
    return replace(
        network,
        mean_rgb=(0.0,) * channels,
        std_rgb=(1.0,) * channels,
        channels=channels,
        channel_order="stored",
        said={name: who for name, who in network.said.items() if name != "channel_order"},
    )
