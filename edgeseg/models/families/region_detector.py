"""Turn the weights of another library's Mask R-CNN, under edgeseg's names, into the network that they fit.

detectron2 and MMDetection count the background as the last class, give it no box and no mask, and divide
deltas by their own deviations. Here it is class 0 of every layer: rows are put first, or added as zeros,
which nothing reads. Deviations go into the layer that predicts deltas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from edgeseg.errors import CheckpointError, name_a_few
from edgeseg.models.conventions import Conventions
from edgeseg.models.families.resnet_weights import numbered, resnet_form
from edgeseg.models.fpn import BackboneWithFPN
from edgeseg.models.mask_rcnn import MaskRCNN
from edgeseg.models.resnet import ResNet

BODY = "backbone.body."
CLASS_LOGITS, BOX_DELTAS = "roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred"
MASK_LOGITS = "roi_heads.mask_predictor.mask_fcn_logits"
OBJECTNESS, ANCHOR_DELTAS = "rpn.head.cls_logits", "rpn.head.bbox_pred"
BOX_SIDES = 4
PARTS = ("weight", "bias")


def renamed(weights: Mapping[str, Tensor], rules: Sequence[tuple[re.Pattern[str], str]]) -> dict[str, Tensor]:
    """Give weights edgeseg's names, by the first rule that fits all of a name; others keep theirs."""
    found = {}
    for name, tensor in weights.items():
        rule = next(((pattern, new) for pattern, new in rules if pattern.fullmatch(name)), None)
        found[name if rule is None else rule[0].sub(rule[1], name)] = tensor
    return found


def refuse_further(weights: Mapping[str, Tensor], prefixes: tuple[str, ...], source: str) -> None:
    """Refuse weights of modules that have no counterpart here: without them the network is another one.

    Args:
        weights: under edgeseg's names, as far as they have one.
        prefixes: of the library's names of modules that compute masks, or what is asked for.

    Raises:
        CheckpointError: naming a few.
    """
    further = [name for name in weights if name.startswith(prefixes)]
    if further:
        raise CheckpointError(
            f"{source} has {name_a_few(further)} besides, which edgeseg's network does not compute; export "
            "it by a function of your own, edgeseg export file.py:function, or as .onnx by its library"
        )


def limits_note(who: str, score: float, most: int) -> str:
    """Say that the limits of what is kept are those of the export."""
    return (
        f"{who} keeps objects that score more than {score:g}, at most {most} an image; the export keeps "
        "those of --score-threshold and --max-detections"
    )


def background_first(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make background, which was the last class and had neither boxes nor masks, the first of every layer.

    One box, or one mask, for all classes becomes one for each.
    """
    found = dict(weights)
    classes = len(weights[f"{CLASS_LOGITS}.weight"]) - 1
    for part in PARTS:
        logits = weights[f"{CLASS_LOGITS}.{part}"]
        found[f"{CLASS_LOGITS}.{part}"] = torch.cat([logits[-1:], logits[:-1]])
        for layer, rows in ((BOX_DELTAS, BOX_SIDES), (MASK_LOGITS, 1)):
            own = weights[f"{layer}.{part}"]
            each = own.repeat(classes, *[1] * (own.ndim - 1)) if len(own) == rows else own
            found[f"{layer}.{part}"] = torch.cat([torch.zeros_like(each[:rows]), each])
    return found


def rescaled_deltas(
    weights: Mapping[str, Tensor],
    layer: str,
    deviations: Sequence[float],
    means: Sequence[float],
    divisors: Sequence[float],
) -> dict[str, Tensor]:
    """Put into a layer that predicts deltas what follows it: times their deviations, and plus their means.

    Args:
        layer: `BOX_DELTAS` or `ANCHOR_DELTAS`; four rows a box.
        deviations, means: of the four deltas, in the training.
        divisors: by which the network divides what the layer predicts.
    """
    scale = torch.tensor(deviations, dtype=torch.float64) * torch.tensor(divisors, dtype=torch.float64)
    shift = torch.tensor(means, dtype=torch.float64) * torch.tensor(divisors, dtype=torch.float64)
    if bool((scale == 1).all()) and bool((shift == 0).all()):
        return dict(weights)
    weight, bias = (weights[f"{layer}.{part}"] for part in PARTS)
    boxes = len(bias) // BOX_SIDES
    by_row = scale.repeat(boxes).reshape(-1, *[1] * (weight.ndim - 1))
    return {
        **weights,
        f"{layer}.weight": (weight * by_row).to(weight.dtype),
        f"{layer}.bias": (bias * scale.repeat(boxes) + shift.repeat(boxes)).to(bias.dtype),
    }


def resnet_of(weights: Mapping[str, Tensor], *, stride_in_1x1: bool) -> ResNet:
    """Make the ResNet or ResNeXt that weights under `backbone.body.` fit.

    Args:
        stride_in_1x1: which weights do not show.

    Raises:
        CheckpointError: if they are of no such backbone.
    """
    form = resnet_form(weights, BODY)
    if form is None:
        raise CheckpointError(
            "the backbone is no ResNet with a 7x7 stem, and no ResNeXt; export such a network by a function "
            "of your own: edgeseg export file.py:function"
        )
    return form.make(stride_in_1x1=stride_in_1x1)


def backbone_name(weights: Mapping[str, Tensor]) -> str:
    """Name the backbone, such as `ResNet-50` or `ResNeXt-101 32x8d`."""
    form = resnet_form(weights, BODY)
    if form is None:
        return "unknown"
    depth = form.depth or sum(form.blocks)
    if form.groups == 1:
        return f"ResNet-{depth}"
    return f"ResNeXt-{depth} {form.groups}x{form.group_channels}d"


def mask_rcnn_of(
    weights: Mapping[str, Tensor], conventions: Conventions, *, stride_in_1x1: bool, **parameters: Any
) -> MaskRCNN:
    """Make the Mask R-CNN that weights fit by their shapes.

    Args:
        weights: under edgeseg's names, background first.
        conventions: of the library.
        parameters: of `MaskRCNN`, which shapes do not show.
    """
    channels = weights["backbone.fpn.inner_blocks.0.0.weight"].shape[0]
    vector, pooled = weights["roi_heads.box_head.fc6.weight"].shape
    hidden = weights["roi_heads.mask_predictor.conv5_mask.weight"].shape[1]
    masks = numbered(weights, r"roi_heads\.mask_head\.(\d+)\.0\.weight")
    shown = {
        "representation_size": vector,
        "box_grid": round((pooled / channels) ** 0.5),
        "mask_channels": [weights[f"roi_heads.mask_head.{i}.0.weight"].shape[0] for i in range(masks)],
        "mask_hidden_channels": hidden,
        "rpn_conv_depth": numbered(weights, r"rpn\.head\.conv\.(\d+)\.0\.weight"),
    }
    backbone = BackboneWithFPN(resnet_of(weights, stride_in_1x1=stride_in_1x1), channels)
    classes = len(weights[f"{CLASS_LOGITS}.weight"])
    return MaskRCNN(backbone, classes, conventions=conventions, **{**shown, **parameters})
