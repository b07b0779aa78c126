"""Recognise detectron2's weights, and make their Mask R-CNN or semantic FPN as one of edgeseg's networks.

The library itself is not needed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.label_sets.coco import COCO_81
from edgeseg.models.checkpoints.loading import load_weights
from edgeseg.models.conventions import DETECTRON2
from edgeseg.models.families import region_detector as region
from edgeseg.models.families.detectron2 import config as settings
from edgeseg.models.families.detectron2.config import Config, config_of
from edgeseg.models.families.detectron2.names import SEMANTIC_HEAD, own_names
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.fpn import BackboneWithFPN
from edgeseg.models.network import Network
from edgeseg.models.roi_heads import DELTA_WEIGHTS
from edgeseg.models.semantic_fpn import SemanticFPN

DETECTOR, SEMANTIC = "MaskRCNN", "SemanticFPN"
BODY = (r"backbone\.bottom_up\.(stem|res\d)\.", r"backbone\.fpn_lateral\d\.", r"backbone\.fpn_output\d\.")
STEM, MASKS, BOXES = (
    "backbone.bottom_up.stem.conv1.weight",
    "roi_heads.mask_head.predictor.weight",
    "roi_heads.box_predictor.cls_score.weight",
)
CASCADE = re.compile(r"roi_heads\.box_predictor\.\d+\.")
MASK_HEAD = "roi_heads.mask_head."
LATERAL, CLASSIFIER = "backbone.fpn_lateral2.weight", "sem_seg_head.predictor.weight"
OWN_MODULES = ("backbone.bottom_up.", "backbone.top_block.", "proposal_generator.", "sem_seg_head.")
COCO_OBJECTS = COCO_81.class_names
"""With background; the 80 that are used, in order of their ids."""

STRIDE_UNKNOWN = (
    "weights do not show in which convolution of a block the stride is; it is taken for the {taken}, as in "
    "detectron2's configurations of such a backbone. If your config.yaml says otherwise, put it beside the "
    "weights, or write {model}?stride_in_1x1={other}"
)
NO_CONFIG = (
    "no config.yaml lies beside the weights: thresholds, sizes, and pixels where the weights do not hold "
    "them, are those of detectron2's configurations of such a backbone"
)
NO_STATISTICS = "the backbone's normalisation has no mean and variance: it is taken for frozen, with 0 and 1"
COCO_TAKEN = "80 classes are taken for COCO's; --classes FILE names others"


class Detectron2:
    """Mask R-CNN and semantic FPN on ResNet or ResNeXt with a feature pyramid."""

    name = "detectron2"
    extra = None
    layouts: Mapping[str, tuple[str, ...]] = {
        DETECTOR: (
            *BODY,
            r"proposal_generator\.rpn_head\.",
            r"roi_heads\.box_head\.",
            r"roi_heads\.box_predictor\.",
            r"roi_heads\.mask_head\.",
        ),
        SEMANTIC: (*BODY, r"sem_seg_head\.p\d\.", r"sem_seg_head\.predictor\."),
    }

    def recognise(self, source: Source) -> Recognised | None:
        """Tell whether these are weights of a network with detectron2's names."""
        weights = source.weights
        if STEM not in weights:
            return None
        cascades = any(map(CASCADE.match, weights))
        if LATERAL not in weights or cascades or (MASKS not in weights and CLASSIFIER not in weights):
            raise CheckpointError(
                f"{source.path} is of detectron2, but {_other_network(weights)}; edgeseg has its Mask R-CNN "
                "and semantic FPN, both on a feature pyramid"
            )
        return _described(source, SEMANTIC if MASKS not in weights else DETECTOR)

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network; `stride_in_1x1` and the parameters of `MaskRCNN` are its arguments."""
        semantic = recognised.architecture == SEMANTIC
        described = _described(source, recognised.architecture)
        config, given = config_of(source), dict(arguments)
        _refuse_other_classes(given.pop("num_classes", None), described)
        stride = bool(given.pop("stride_in_1x1", described.parameters["stride_in_1x1"]))
        weights = own_names(source.weights, semantic=semantic)
        region.refuse_further(weights, OWN_MODULES, str(source.path))
        try:
            if semantic:
                module: nn.Module = _semantic(weights, stride, given)
            else:
                weights = _adapted(weights, config, described.parameters)
                own = {**settings.detector_parameters(config), **_anchors(described), **given}
                module = region.mask_rcnn_of(weights, DETECTRON2, stride_in_1x1=stride, **own)
        except TypeError as error:
            raise UsageError(f"{recognised.model} cannot be made with {dict(arguments)}: {error}") from error
        except KeyError as error:
            raise CheckpointError(f"{source.path} lacks weights of {recognised.model}: {error}") from error
        notes = load_weights(module, weights, source=str(source.path), name=recognised.model)
        network = _network(module.eval(), source, config, described, semantic=semantic)
        who = config.says(*settings.LIMIT_KEYS)
        if not semantic and who != settings.DEFAULT:
            limits = settings.detector_parameters(config)
            notes.append(region.limits_note(who, limits["score_threshold"], limits["detections_per_image"]))
        return dataclasses.replace(network, notes=tuple(notes))


def _other_network(weights: Mapping[str, Tensor]) -> str:
    """Name what is neither, as far as its weights tell."""
    if LATERAL not in weights:
        return "a network without a feature pyramid, such as one on C4 or DC5"
    if any(map(CASCADE.match, weights)):
        return "Cascade R-CNN, which refines its boxes in stages"
    if any(name.startswith(MASK_HEAD) for name in weights):
        return "a network with another mask head, such as PointRend"
    return "Faster R-CNN, which gives no masks" if BOXES in weights else "a network"


def _described(source: Source, architecture: str) -> Recognised:
    """Read what the weights and their configuration say of a network."""
    weights, config = source.weights, config_of(source)
    if unlike := settings.unlike(config):
        raise CheckpointError(
            f"{source.path} was trained with {unlike}, which edgeseg's network does not do; export it by a "
            "function of your own: edgeseg export file.py:function"
        )
    backbone = region.backbone_name(own_names(weights, semantic=architecture == SEMANTIC))
    stride, stride_source = settings.stride_in_1x1(config, weights, backbone)
    parameters: dict[str, Any] = {"stride_in_1x1": stride}
    said = {}
    pixel_source = settings.pixels(config, weights, backbone)[3]
    for name in ("mean_rgb", "std_rgb", "divide_by_255", "channel_order"):
        said[name] = pixel_source
    said["resize"] = said["resize_filter"] = "detectron2's test-time resizing, by Pillow"
    said["pad_rgb"] = "detectron2, which pads with the mean"
    said["default_size_hw"] = config.says(settings.SHORT_SIDE_KEY)
    unknown = [] if config.files else [NO_CONFIG]
    if f"{STEM.removesuffix('weight')}norm.running_mean" not in weights:
        unknown.append(NO_STATISTICS)
    if not stride_source:
        taken, other = ("first, of 1x1", False) if stride else ("second, of 3x3", True)
        model = f"detectron2:{architecture}"
        unknown.append(STRIDE_UNKNOWN.format(taken=taken, model=model, other=other))
    classes = _classes(weights, architecture)
    if architecture == DETECTOR:
        anchors, said["anchors"] = settings.anchors(config, weights)
        parameters.update(anchors)
        if classes == len(COCO_OBJECTS):
            said["class_names"] = "edgeseg, which takes 80 classes for COCO's"
            unknown.append(COCO_TAKEN)
        if any(name.startswith(SEMANTIC_HEAD) for name in weights):
            unknown.append(
                "the network is panoptic: its Mask R-CNN is taken, detectron2:SemanticFPN is the rest"
            )
    return Recognised(
        "detectron2",
        architecture,
        "certain" if stride_source else "likely",
        backbone,
        classes,
        parameters,
        said,
        tuple(unknown),
    )


def _classes(weights: Mapping[str, Tensor], architecture: str) -> int | None:
    """Count the classes, background included."""
    last = weights.get(BOXES if architecture == DETECTOR else CLASSIFIER)
    return None if last is None or last.ndim == 0 else len(last)


def _refuse_other_classes(asked: int | None, described: Recognised) -> None:
    if asked not in (None, described.num_classes):
        raise UsageError(
            f"--num-classes {asked}: the weights have {described.num_classes} classes, background included"
        )


def _anchors(described: Recognised) -> dict[str, Any]:
    return {name: described.parameters[name] for name in ("anchor_sizes", "aspect_ratios")}


def _adapted(weights: dict[str, Tensor], config: Config, parameters: Mapping[str, Any]) -> dict[str, Tensor]:
    """Bring the layers of a detector to the order and the scale of edgeseg's."""
    found = region.background_first(weights)
    sizes, ratios = len(parameters["anchor_sizes"][0]), len(parameters["aspect_ratios"])
    if sizes > 1:  # a cell's anchors vary by ratio fastest there, and by size here
        order = torch.arange(sizes * ratios).reshape(sizes, ratios).T.flatten()
        rows = (order[:, None] * region.BOX_SIDES + torch.arange(region.BOX_SIDES)).flatten()
        for part in region.PARTS:
            for layer, index in ((region.OBJECTNESS, order), (region.ANCHOR_DELTAS, rows)):
                found[f"{layer}.{part}"] = found[f"{layer}.{part}"][index]
    anchor_divisors, box_divisors = settings.delta_divisors(config)
    one = (1.0,) * region.BOX_SIDES
    for layer, theirs, ours in (
        (region.ANCHOR_DELTAS, anchor_divisors, one),
        (region.BOX_DELTAS, box_divisors, DELTA_WEIGHTS),
    ):
        deviations = [1 / divisor for divisor in theirs]
        if list(theirs) != list(ours):
            found = region.rescaled_deltas(found, layer, deviations, (0.0,) * region.BOX_SIDES, ours)
    return found


def _semantic(weights: Mapping[str, Tensor], stride_in_1x1: bool, given: Mapping[str, Any]) -> SemanticFPN:
    first = weights["branches.0.0.0.weight"]  # (channels, of the pyramid, 3, 3)
    backbone = BackboneWithFPN(region.resnet_of(weights, stride_in_1x1=stride_in_1x1), first.shape[1])
    group_norm = "branches.0.0.1.weight" in weights
    shown = {"channels": first.shape[0], "group_norm": group_norm, **given}
    return SemanticFPN(backbone, len(weights["classifier.weight"]), **shown)


def _network(
    module: nn.Module, source: Source, config: Config, described: Recognised, *, semantic: bool
) -> Network:
    mean, std, order, _ = settings.pixels(config, source.weights, described.backbone or "")
    is_coco = not semantic and described.num_classes == len(COCO_OBJECTS)
    return Network(
        module,
        "semantic" if semantic else "instance",
        mean,
        std,
        class_names=COCO_OBJECTS if is_coco else None,
        default_size_hw=settings.size_hw(config),
        resize="shortest_edge",
        resize_filter="pil",
        channel_order=order,
        divide_by_255="never",
        head="logits" if semantic else None,
    )
