"""Mask R-CNN as detectron2 and MMDetection define it, written plainly: loops over boxes, and no cleverness.

It shares no code with the package. Convolutions and normalisation are PyTorch's; all that implementations
differ in (anchors, deltas, suppression, levels, pooling, where the background is) is spelled out here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Layer = Callable[[str], Tensor]
"""Gives the weights of a role, such as `stem.weight`."""


@dataclass(frozen=True)
class Rules:
    """What a configuration says.

    Attributes:
        sizes: of anchors, a tuple a level; ratios: height over width.
        deviations: that anchors' and boxes' deltas are multiplied by.
        least_log_scale: of a delta; minus infinity in detectron2.
    """

    sizes: Sequence[Sequence[float]]
    ratios: Sequence[float]
    deviations: tuple[Sequence[float], Sequence[float]]
    least_log_scale: float
    pre_nms: int
    post_nms: int
    score: float
    most: int
    stride_in_1x1: bool
    size_fastest: bool  # whether a cell's anchors vary by size fastest (MMDetection), or by ratio


def convolve(layer: Layer, name: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    weight = layer(f"{name}.weight")
    try:
        bias: Tensor | None = layer(f"{name}.bias")
    except KeyError:
        bias = None
    return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2, groups=groups)


def normalise(layer: Layer, name: str, x: Tensor) -> Tensor:
    """Frozen batch normalisation: (x - mean) / sqrt(variance + 1e-5) * weight + bias."""
    weight, bias, mean, variance = (
        layer(f"{name}.{part}").reshape(1, -1, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def resnet(layer: Layer, image: Tensor, blocks: Sequence[int], *, stride_in_1x1: bool) -> list[Tensor]:
    """Compute the maps of four stages; roles are `stem`, `res.S.B.conv1`, `.norm`, `res.S.B.shortcut`."""
    x = F.max_pool2d(normalise(layer, "stem.norm", convolve(layer, "stem", image, 2)).relu(), 3, 2, 1)
    maps = []
    for stage, count in enumerate(blocks):
        for block in range(count):
            name = f"res.{stage}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            strides = (stride, 1, 1) if stride_in_1x1 else (1, stride, 1)
            y = x
            for i, own in enumerate(strides):
                weight = layer(f"{name}.conv{i + 1}.weight")
                groups = y.shape[1] // weight.shape[1]
                y = convolve(layer, f"{name}.conv{i + 1}", y, own, groups)
                y = normalise(layer, f"{name}.conv{i + 1}.norm", y)
                y = y.relu() if i < 2 else y
            if block == 0:
                x = normalise(layer, f"{name}.shortcut.norm", convolve(layer, f"{name}.shortcut", x, stride))
            x = (x + y).relu()
        maps.append(x)
    return maps


def pyramid(layer: Layer, maps: Sequence[Tensor]) -> list[Tensor]:
    """Compute P2 to P5 and, by max-pooling, P6; roles are `lateral.L` and `output.L`."""
    above: Tensor | None = None
    levels = []
    for i in reversed(range(len(maps))):
        merged = convolve(layer, f"lateral.{i}", maps[i])
        if above is not None:
            merged = merged + above.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        above = merged
        levels.insert(0, convolve(layer, f"output.{i}", merged))
    return [*levels, levels[-1][:, :, ::2, ::2]]


def anchors_of(
    sizes: Sequence[float], ratios: Sequence[float], rows: int, columns: int, stride: int
) -> Floats:
    """List anchors cell by cell, (rows * columns * A, 4): centred on the cell's corner, not rounded."""
    found = []
    for row in range(rows):
        for column in range(columns):
            for size, ratio in ((s, r) for s in sizes for r in ratios):
                width = size / math.sqrt(ratio)
                height = size * math.sqrt(ratio)
                x, y = column * stride, row * stride
                found.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return np.array(found)


def moved(box: Floats, delta: Floats, least_log_scale: float) -> Floats:
    width, height = box[2] - box[0], box[3] - box[1]
    x, y = box[0] + width / 2 + delta[0] * width, box[1] + height / 2 + delta[1] * height
    limit = math.log(1000 / 16)
    width *= math.exp(min(max(delta[2], least_log_scale), limit))
    height *= math.exp(min(max(delta[3], least_log_scale), limit))
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def clipped(box: Floats, size_hw: tuple[int, int]) -> Floats:
    height, width = size_hw
    return np.array([min(max(side, 0), limit) for side, limit in zip(box, (width, height) * 2, strict=True)])


def overlap(one: Floats, other: Floats) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    area = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return width * height / (area - width * height)


def suppressed(
    boxes: Sequence[Floats], groups: Sequence[int], scores: Sequence[float], limit: float
) -> list[int]:
    """Give the indices that greedy suppression within each group keeps, best first."""
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(groups[i] != groups[index] or overlap(boxes[i], boxes[index]) <= limit for i in kept):
            kept.append(index)
    return kept


def bilinear(level: Floats, y: float, x: float) -> Floats:
    """Sample a map (C, H, W): 0 more than a cell outside, else the border's value."""
    height, width = level.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(level))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    upper = level[:, top, left] * (1 - across) + level[:, top, right] * across
    lower = level[:, bottom, left] * (1 - across) + level[:, bottom, right] * across
    return upper * (1 - down) + lower * down


def pooled(levels: Sequence[Tensor], box: Floats, grid: int) -> Tensor:
    """Pool a box from the level of its size, by aligned ROI-Align with as many samples as bins have cells."""
    size = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    number = min(max(math.floor(4 + math.log2(size / 224 + 1e-8)), 2), 5) - 2
    level = levels[number][0].double().numpy()
    left, top, right, bottom = box / (4 << number) - 0.5
    height, width = (bottom - top) / grid, (right - left) / grid
    rows, columns = math.ceil(height), math.ceil(width)
    bins = np.zeros((len(level), grid, grid))
    for i in range(grid):
        for j in range(grid):
            for row in range(rows):
                for column in range(columns):
                    y = top + (i + (row + 0.5) / rows) * height
                    x = left + (j + (column + 0.5) / columns) * width
                    bins[:, i, j] += bilinear(level, y, x) / (rows * columns)
    return torch.from_numpy(bins).float()


def proposals(layer: Layer, levels: Sequence[Tensor], size_hw: tuple[int, int], rules: Rules) -> list[Floats]:
    """Find regions; roles are `rpn`, `rpn.objectness` and `rpn.deltas`."""
    boxes: list[Floats] = []
    groups: list[int] = []
    scores: list[float] = []
    per_cell = len(rules.sizes[0]) * len(rules.ratios)
    for number, level in enumerate(levels):
        hidden = convolve(layer, "rpn", level).relu()
        logits = convolve(layer, "rpn.objectness", hidden)[0].permute(1, 2, 0).reshape(-1)
        deltas = convolve(layer, "rpn.deltas", hidden)[0].permute(1, 2, 0).reshape(-1, 4).double().numpy()
        rows, columns = level.shape[2:]
        table = anchors_of(rules.sizes[number], rules.ratios, rows, columns, 4 << number)
        if rules.size_fastest:
            order = np.arange(per_cell).reshape(len(rules.sizes[0]), len(rules.ratios)).T.ravel()
            table = table.reshape(-1, per_cell, 4)[:, order].reshape(-1, 4)
        for index in np.argsort(-logits.numpy(), kind="stable")[: rules.pre_nms]:
            delta = deltas[index] * rules.deviations[0]
            box = clipped(moved(table[index], delta, rules.least_log_scale), size_hw)
            if box[2] > box[0] and box[3] > box[1]:
                boxes.append(box)
                groups.append(number)
                scores.append(float(logits[index].double()))
    return [boxes[index] for index in suppressed(boxes, groups, scores, 0.7)[: rules.post_nms]]


@dataclass(frozen=True)
class Found:
    boxes: Floats  # (D, 4)
    scores: Floats
    class_ids: list[int]  # from 0, without background
    masks: Floats  # (D, M, M)


def detect(layer: Layer, levels: Sequence[Tensor], size_hw: tuple[int, int], rules: Rules) -> Found:
    """Find objects; roles are `fc1`, `fc2`, `classes`, `boxes`, `mask.I`, `deconvolution` and `masks`."""
    boxes, groups, scores = [], [], []
    for proposal in proposals(layer, levels, size_hw, rules):
        vector = pooled(levels, proposal, 7).flatten()
        for name in ("fc1", "fc2"):
            vector = F.linear(vector, layer(f"{name}.weight"), layer(f"{name}.bias")).relu()
        logits = F.linear(vector, layer("classes.weight"), layer("classes.bias"))
        probabilities = logits.double().softmax(dim=0)[:-1]  # the last is the background's
        deltas = F.linear(vector, layer("boxes.weight"), layer("boxes.bias")).reshape(-1, 4).double().numpy()
        for number, probability in enumerate(probabilities.tolist()):
            if probability > rules.score:
                delta = deltas[number if len(deltas) > 1 else 0] * rules.deviations[1]
                box = clipped(moved(proposal, delta, rules.least_log_scale), size_hw)
                if box[2] > box[0] and box[3] > box[1]:  # others have no pixel, and are dropped in the end
                    boxes.append(box)
                    groups.append(number)
                    scores.append(probability)
    kept = suppressed(boxes, groups, scores, 0.5)[: rules.most]
    masks = [_mask(layer, levels, boxes[index], groups[index]) for index in kept]
    return Found(
        np.array([boxes[i] for i in kept]),
        np.array([scores[i] for i in kept]),
        [groups[i] for i in kept],
        np.array(masks),
    )


def _mask(layer: Layer, levels: Sequence[Tensor], box: Floats, number: int) -> Floats:
    x = pooled(levels, box, 14)[None]
    for i in range(4):
        x = convolve(layer, f"mask.{i}", x).relu()
    x = F.conv_transpose2d(x, layer("deconvolution.weight"), layer("deconvolution.bias"), 2).relu()
    planes = convolve(layer, "masks", x)[0]
    probability: Floats = planes[number if len(planes) > 1 else 0].sigmoid().double().numpy()
    return probability


def layer_of(weights: Mapping[str, Tensor], role_to_name: Callable[[str], str]) -> Layer:
    """Look a role up among a library's weights."""
    return lambda role: weights[role_to_name(role)]
