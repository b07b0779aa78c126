"""Turn weights of torchvision's networks, and what a user says of them, into the network with its pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from edgeseg.errors import EdgesegError, UsageError, one_line
from edgeseg.label_sets.coco import COCO
from edgeseg.label_sets.voc import VOC
from edgeseg.models.checkpoints.loading import load_weights, refuse_huge
from edgeseg.models.families.family import Source
from edgeseg.models.families.frame_channels import frame_of
from edgeseg.models.families.torchvision import arguments as said
from edgeseg.models.families.torchvision.anchors import choose_anchors
from edgeseg.models.families.torchvision.detectors import DetectorForm
from edgeseg.models.families.torchvision.semantic import SemanticForm
from edgeseg.models.mask_rcnn import NORM_EPS
from edgeseg.models.network import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, Network
from edgeseg.models.normalisation import is_frozen
from edgeseg.models.zoo import COCO_V1_NETWORK, TORCHVISION_COCO_V1_SHA256, may_need_norm_eps
from edgeseg.spec import RGB_CHANNELS

Made = TypeVar("Made", bound=nn.Module)

SEMANTIC_SIZE_HW = (520, 520)
ARGUMENT = "MODEL's arguments"
TRANSFORM, REFERENCES = "torchvision's GeneralizedRCNNTransform", "torchvision's own training (ImageNet)"
USUAL_SIZES = ", ".join(f"{name} {pixels}" for name, pixels in said.USUAL_SIZE.items())
CLASSIFIER_EPS = 1e-3  # of MobileNetV3 as a classifier
EPS_NOTE = (
    "if these weights stem from torchvision's COCO_V1 weights (weights='DEFAULT'), they want ?norm_eps=0 or "
    f"--norm-eps 0; without it the epsilon of batch normalisation is {NORM_EPS:g}"
)
MOBILENET_EPS_NOTE = (
    f"the epsilon of batch normalisation is taken for {NORM_EPS:g}, as torchvision's mobilenet_backbone "
    f"makes it; if the training put a classifier's own features below the pyramid, say "
    f"?norm_eps={CLASSIFIER_EPS:g}"
)


def class_names(form: DetectorForm | SemanticForm) -> tuple[str, ...] | None:
    """Give the class names of torchvision's own weights, where there are as many."""
    usual = COCO.class_names if isinstance(form, DetectorForm) else VOC.class_names
    return usual if len(usual) == form.num_classes else None


def detector_network(
    source: Source, weights: Mapping[str, Tensor], form: DetectorForm, given: Mapping[str, Any]
) -> Network:
    """Make a Mask R-CNN.

    Args:
        source: of the weights.
        weights: by torchvision's names.
        form: of the network.
        given: what the user says, by torchvision's names.
    """
    model = f"torchvision:{form.architecture}"
    said.check_names(given, said.OF_DETECTORS, model)
    anchors, anchor_notes = choose_anchors(source, form, given, model)
    limits = said.limits(given)
    eps, eps_notes = _norm_eps(source, weights, form, given)
    module, notes = _loaded(lambda: form.make(eps, **anchors, **limits), source, weights, model)
    is_sized = said.MIN_SIZE in given or said.MAX_SIZE in given
    network = Network(
        module,
        "instance",
        class_names=class_names(form),
        default_size_hw=said.size_hw(given),
        resize="shortest_edge",
        resize_filter="linear",
        said={
            "resize": TRANSFORM,
            "resize_filter": TRANSFORM,
            "default_size_hw": ARGUMENT if is_sized else f"torchvision's own {USUAL_SIZES}",
        },
        notes=(*notes, *eps_notes, *anchor_notes),
    )
    exported = {"score_threshold": given.get(said.SCORE), "max_detections": given.get(said.MOST)}
    network = dataclasses.replace(network, **{name: n for name, n in exported.items() if n is not None})
    return _with_pixels(network, form.body.in_channels, given, source, TRANSFORM)


def semantic_network(
    source: Source, weights: Mapping[str, Tensor], form: SemanticForm, given: Mapping[str, Any]
) -> Network:
    """Make a semantic network; its arguments are those of `detector_network`."""
    model = f"torchvision:{form.architecture}"
    said.check_names(given, (*form.usual, said.MEAN, said.STD, said.EPS), model)
    eps = said.norm_eps(given)
    own = {name: given[name] for name in form.usual if name in given}
    module, notes = _loaded(lambda: form.make(eps, **own), source, weights, model)
    network = Network(
        module,
        "semantic",
        class_names=class_names(form),
        default_size_hw=SEMANTIC_SIZE_HW,
        head="logits",
        said={"default_size_hw": REFERENCES},
        notes=(*notes, *(() if form.is_published else _unseen_notes(form, own, model))),
    )
    return _with_pixels(network, form.body.in_channels, given, source, REFERENCES)


def _unseen_notes(form: SemanticForm, said_own: Mapping[str, Any], model: str) -> list[str]:
    """Say what weights of a network that no function of torchvision's makes do not show."""
    return [
        f"weights do not show {name}, which is taken for {value}; else say {model}?{name}=..."
        for name, value in form.usual.items()
        if name not in said_own
    ]


def _norm_eps(
    source: Source, weights: Mapping[str, Tensor], form: DetectorForm, given: Mapping[str, Any]
) -> tuple[float, list[str]]:
    """Give the epsilon of batch normalisation, which weights do not hold, and say what is assumed of it."""
    asked = said.norm_eps(given)
    if asked is not None:
        return asked, []
    if form.architecture == COCO_V1_NETWORK and source.sha256.startswith(TORCHVISION_COCO_V1_SHA256):
        return 0.0, []
    if may_need_norm_eps(form.architecture, weights, sha256=source.sha256):
        return NORM_EPS, [EPS_NOTE]
    if not form.body.name.startswith("mobilenet_v3"):
        return NORM_EPS, []
    if not form.levels:
        return CLASSIFIER_EPS, []  # without a pyramid, features are a classifier's
    return NORM_EPS, [] if is_frozen(weights) else [MOBILENET_EPS_NOTE]


def _loaded(
    make: Callable[[], Made], source: Source, weights: Mapping[str, Tensor], model: str
) -> tuple[Made, list[str]]:
    """Make a network with its weights, once it is known not to be far larger than these."""
    try:
        with torch.device("meta"):
            wanted = make().state_dict()
    except EdgesegError:
        raise
    except Exception as error:  # shapes and arguments may be anything
        raise UsageError(f"{model} cannot be made for {source.path}: {one_line(str(error))}") from error
    refuse_huge(wanted, weights, str(source.path), model)
    module = make()
    notes = load_weights(module, weights, source=str(source.path), name=model)
    return module.eval(), notes


def _with_pixels(
    network: Network, in_channels: int, given: Mapping[str, Any], source: Source, usual: str
) -> Network:
    """Say what the network expects of pixels: of colours as torchvision does, of others as the user does."""
    frame = frame_of(in_channels, str(source.path))
    mean, std = (said.numbers_per_channel(given, name, in_channels) for name in (said.MEAN, said.STD))
    who = {"divide_by_255": "torchvision, whose pixels are in 0..1"}
    if in_channels == RGB_CHANNELS:
        mean_rgb, std_rgb = mean or IMAGENET_MEAN_RGB, std or IMAGENET_STD_RGB
        who |= {"channel_order": "torchvision", "mean_rgb": usual, "std_rgb": usual}
    else:
        who["channel_order"] = f"the first convolution, of {in_channels} channel" + "s" * (in_channels > 1)
        mean_rgb, std_rgb = mean or (0.0,) * in_channels, std or (1.0,) * in_channels
    who |= {name: ARGUMENT for name, value in (("mean_rgb", mean), ("std_rgb", std)) if value is not None}
    unknown = () if in_channels == RGB_CHANNELS or (mean and std) else (_unknown_note(in_channels),)
    repeats = frame.channels // in_channels  # of a grey network, whose channel is made of three
    return dataclasses.replace(
        network,
        mean_rgb=mean_rgb * repeats,
        std_rgb=std_rgb * repeats,
        channels=frame.channels,
        channel_order=frame.order,
        said={**network.said, **who},
        notes=(*network.notes, *unknown),
    )


def _unknown_note(channels: int) -> str:
    what = "1 channel" if channels == 1 else f"{channels} channels"
    return (
        f"mean and deviation of {what} are not known, and are taken for 0 and 1 of pixels in 0..1; say "
        "--mean and --std, or ?image_mean=...&image_std=..."
    )
