"""Turn the weights of a wide network into a start for a narrower one of the same kind: structured pruning.

Channels that weigh least are left out (Liu et al., "Learning Efficient Convolutional Networks through Network
Slimming", 2017: by the scale of their batch normalisation); all others keep their weights. What is left still
sees most of what the wide network sees, and learns the rest in a few hundred steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Kept = Tensor | None  # indices of the wide network's channels; None for all

NORM_VALUES = ("weight", "bias", "running_mean", "running_var")


def shorten_unet(network: nn.Module, wide: nn.Module, *, levels: int = 1) -> None:
    """Start a U-Net from one that halves the map `levels` times more: without its deepest levels.

    Args:
        network: of the same width and less depth; its weights change in place.
        wide: the deeper one.
        levels: how many of it to leave out.
    """
    weights = {}
    for key, value in wide.state_dict().items():
        place, _, rest = key.partition(".")
        if place.startswith("up"):  # up1 is the deepest
            place = f"up{int(place.removeprefix('up')) - levels}"
        weights[f"{place}.{rest}"] = value
    own = network.state_dict()
    network.load_state_dict({key: weights[key] for key in own})


def narrow_deeplab(network: nn.Module, wide: nn.Module) -> None:
    """Start a DeepLabV3+ from one whose ResNet has more channels; the heads are equally wide."""
    part: Any = network.get_submodule("classifier")
    whole: Any = wide.get_submodule("classifier")
    kept = narrow_resnet(network.get_submodule("backbone"), wide.get_submodule("backbone"))[-1]
    for view, wide_view in zip(part.aspp.convs, whole.aspp.convs, strict=True):
        conv, norm = (1, 2) if isinstance(view[0], nn.AdaptiveAvgPool2d) else (0, 1)
        _take(view[conv], wide_view[conv], None, kept)
        _take(view[norm], wide_view[norm], None)
    for name in ("aspp.project", "project", "classifier"):
        part.get_submodule(name).load_state_dict(whole.get_submodule(name).state_dict())


def narrow_mask_rcnn(network: Any, wide: Any) -> None:
    """Start a Mask R-CNN from one whose ResNet and box head have more channels; the rest has as many."""
    pyramid, wide_pyramid = network.backbone.fpn, wide.backbone.fpn
    kept = narrow_resnet(network.backbone.body, wide.backbone.body)
    for level, wide_level, channels in zip(
        pyramid.inner_blocks, wide_pyramid.inner_blocks, kept, strict=True
    ):
        _take(level[0], wide_level[0], None, channels)
    for part, whole in (
        (pyramid.layer_blocks, wide_pyramid.layer_blocks),
        (network.rpn.head, wide.rpn.head),
        (network.roi_heads.mask_head, wide.roi_heads.mask_head),
        (network.roi_heads.mask_predictor, wide.roi_heads.mask_predictor),
    ):
        part.load_state_dict(whole.state_dict())
    head, predictor = network.roi_heads.box_head, network.roi_heads.box_predictor
    wide_head, wide_predictor = wide.roi_heads.box_head, wide.roi_heads.box_predictor
    heard = wide_head.fc7.weight.norm(dim=0) * wide_head.fc6.weight.norm(dim=1)
    first = _heaviest(heard, head.fc6.out_features)
    heard = wide_predictor.cls_score.weight.norm(dim=0) * wide_head.fc7.weight.norm(dim=1)
    second = _heaviest(heard, head.fc7.out_features)
    _take(head.fc6, wide_head.fc6, first, None)
    _take(head.fc7, wide_head.fc7, second, first)
    for name in ("cls_score", "bbox_pred"):
        _take(predictor.get_submodule(name), wide_predictor.get_submodule(name), None, second)


def narrow_resnet(body: Any, wide: Any) -> list[Kept]:
    """Start a ResNet of basic blocks from one whose stages have more channels.

    A stage's blocks share their output channels, which are chosen by all of them together.

    Returns:
        Which channels of C2 .. C5 are kept.
    """
    _take(body.conv1, wide.conv1, None, None)
    _take(body.bn1, wide.bn1, None)
    kept: list[Kept] = []
    before: Kept = None
    for stage, wide_stage in zip(
        (body.layer1, body.layer2, body.layer3, body.layer4),
        (wide.layer1, wide.layer2, wide.layer3, wide.layer4),
        strict=True,
    ):
        scales = [block.bn2.weight.abs() for block in wide_stage]
        if wide_stage[0].downsample is not None:
            scales.append(wide_stage[0].downsample[1].weight.abs())
        out = _heaviest(torch.stack(scales).sum(dim=0), stage[0].conv2.out_channels)
        for block, wide_block in zip(stage, wide_stage, strict=True):
            heard = wide_block.conv2.weight.pow(2).sum(dim=(0, 2, 3)).sqrt()
            middle = _heaviest(heard * wide_block.bn1.weight.abs(), block.conv1.out_channels)
            _take(block.conv1, wide_block.conv1, middle, before)
            _take(block.bn1, wide_block.bn1, middle)
            _take(block.conv2, wide_block.conv2, out, middle)
            _take(block.bn2, wide_block.bn2, out)
            if block.downsample is not None:  # a stage as wide as the one before may do without
                _take(block.downsample[0], wide_block.downsample[0], out, before)
                _take(block.downsample[1], wide_block.downsample[1], out)
            before = out
        kept.append(out)
    return kept


def _heaviest(weights: Tensor, count: int) -> Kept:
    """Choose the heaviest channels, in their own order."""
    if count == len(weights):
        return None
    return weights.topk(count).indices.sort().values


@torch.no_grad()
def _take(layer: nn.Module, wide: nn.Module, outputs: Kept, inputs: Kept = None) -> None:
    """Fill a convolution, a linear layer or a normalisation with the kept channels of a wider one."""
    if isinstance(layer, nn.BatchNorm2d):
        for name in NORM_VALUES:
            _copy(getattr(layer, name), getattr(wide, name), outputs)
        return
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    assert isinstance(wide, nn.Conv2d | nn.Linear)
    weight = wide.weight if inputs is None else wide.weight.index_select(1, inputs)
    _copy(layer.weight, weight, outputs)
    if layer.bias is not None and wide.bias is not None:
        _copy(layer.bias, wide.bias, outputs)


def _copy(values: Tensor, wide: Tensor, kept: Kept) -> None:
    values.copy_(wide if kept is None else wide.index_select(0, kept))
