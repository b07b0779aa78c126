"""Turn a feature pyramid into region proposals: boxes that may hold an object of any class.

Ren et al., "Faster R-CNN", 2015. A small convolutional head slides over every level and gives each anchor an
*objectness* and four deltas. The best anchors of each level are moved by their deltas, near-duplicates are
removed by non-maximum suppression within the level, and the best of all levels are the proposals.

The head looks at every cell, so its maps are large: at 800x1088 there are 217,413 anchors. They are
therefore chosen by objectness alone first, and only the chosen few thousand are gathered and decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeseg.intermediates import Probe, no_probe
from edgeseg.models import boxes as box
from edgeseg.models.anchors import Sizes, cell_anchors, pyramid_anchors
from edgeseg.models.conventions import TORCHVISION, Conventions
from edgeseg.models.operators import nms

MIN_SIDE = 1e-3  # pixels; thinner proposals, clipped away at the border, are dropped
INITIAL_STD = 0.01  # of the head's weights


class Proposals(NamedTuple):
    """Regions that may hold an object, best first.

    Attributes:
        boxes: (N, P, 4) xyxy input pixels.
        scores: (N, P) objectness in 0..1; 0 marks padding, whose boxes mean nothing.
    """

    boxes: Tensor
    scores: Tensor


class RPNHead(nn.Module):
    """The convolutions that slide over every level: `conv_depth` 3x3, then one 1x1 for each output.

    Args:
        channels: of the pyramid's maps.
        anchors_per_cell: A, the same on all levels, since they share the head.
        conv_depth: 1 in the paper, 2 in torchvision's "v2".
    """

    def __init__(self, channels: int, anchors_per_cell: int, conv_depth: int = 1) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())
                for _ in range(conv_depth)
            )
        )
        self.cls_logits = nn.Conv2d(channels, anchors_per_cell, 1)
        self.bbox_pred = nn.Conv2d(channels, anchors_per_cell * 4, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.normal_(layer.weight, std=INITIAL_STD)
                nn.init.zeros_(layer.bias)

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Turn one map (N, C, H, W) into objectness logits (N, A * H * W) and deltas (N, 4, A * H * W)."""
        hidden = self.conv(level)
        logits = self.cls_logits(hidden)  # (N, A, H, W)
        deltas = self.bbox_pred(hidden)  # (N, A * 4, H, W)
        batch, anchors_per_cell = logits.shape[:2]
        # Swapping A and 4 moves whole planes, and makes one index serve logits and deltas.
        planes = deltas.reshape(batch, anchors_per_cell, 4, -1).transpose(1, 2)
        return logits.flatten(1), planes.reshape(batch, 4, -1)


class RegionProposalNetwork(nn.Module):
    """The head, the anchors, and the choice of proposals.

    Args:
        channels: of the pyramid's maps.
        anchor_sizes: in pixels, one tuple a level, finest level first, all equally long.
        aspect_ratios: of the anchors, height over width.
        conv_depth: 3x3 convolutions in the head.
        pre_nms: anchors taken from each level, best first.
        post_nms: proposals kept.
        nms_threshold: IoU above which the worse of two proposals of a level goes.
        score_threshold: objectness in 0..1 below which an anchor is no proposal.
        strides: input pixels per cell of each level; what they are is not asked where anchors are spread
            evenly over the image.
        conventions: of the implementation that the weights were trained with.
    """

    def __init__(
        self,
        channels: int,
        *,
        anchor_sizes: Sequence[Sequence[float]],
        aspect_ratios: Sequence[float],
        conv_depth: int,
        pre_nms: int,
        post_nms: int,
        nms_threshold: float,
        score_threshold: float,
        strides: Sequence[int],
        conventions: Conventions = TORCHVISION,
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.conventions = conventions
        self.anchor_sizes: tuple[Sizes, ...] = tuple(tuple(sizes) for sizes in anchor_sizes)
        self.aspect_ratios: Sizes = tuple(aspect_ratios)
        self.pre_nms = pre_nms
        self.post_nms = post_nms
        self.nms_threshold = nms_threshold
        self.score_threshold = score_threshold
        self.head = RPNHead(channels, len(self.anchor_sizes[0]) * len(self.aspect_ratios), conv_depth)

    def forward(
        self,
        levels: Sequence[Tensor],
        padded_hw: tuple[int, int],
        image_hw: tuple[int, int],
        probe: Probe = no_probe,
    ) -> Proposals:
        """Propose regions.

        Args:
            levels: L maps (N, C, H_l, W_l), finest first.
            padded_hw: size of the image that the maps were computed from.
            image_hw: size without the padding; proposals are clipped to it.
            probe: is given every intermediate value, see `intermediates`.

        Returns:
            min(post_nms, anchors chosen) proposals an image.
        """
        logits, boxes = self._best_anchors(levels, padded_hw, probe)  # (N, L * K), (N, L * K, 4)
        scores, boxes = logits.sigmoid(), box.clip(boxes, image_hw)
        valid = (scores >= self.score_threshold) & box.has_sides(boxes, MIN_SIDE)
        scores = torch.where(valid, scores, 0.0)
        probe("rpn.boxes", boxes)
        probe("rpn.scores", scores)
        # Levels do not compete: each is an item of the suppression's batch.
        batch, rows = len(scores), len(scores) * len(levels)
        level_scores = scores.reshape(rows, -1)  # (N * L, K)
        one_class = torch.zeros_like(level_scores, dtype=torch.int64)
        keep = nms(boxes.reshape(rows, -1, 4), level_scores, one_class, self.nms_threshold, 1)
        kept_scores = torch.where(keep, level_scores, 0.0).reshape(batch, -1)
        best, index = kept_scores.topk(min(self.post_nms, kept_scores.shape[1]), dim=1)
        proposals = Proposals(box.take(boxes, index), best)
        probe("rpn.keep", keep)
        probe("rpn.best", index)
        probe("proposals.boxes", proposals.boxes)
        probe("proposals.scores", proposals.scores)
        return proposals

    def cell_anchors(self) -> list[NDArray[np.float32]]:
        """Give the anchors of one cell of each level, around the origin: (A, 4) xyxy pixels."""
        whole_pixels = self.conventions.whole_pixel_anchors
        return [
            cell_anchors(sizes, self.aspect_ratios, whole_pixels=whole_pixels) for sizes in self.anchor_sizes
        ]

    def strides_hw(
        self, grids_hw: Sequence[tuple[int, int]], padded_hw: tuple[int, int]
    ) -> tuple[tuple[int, int], ...]:
        """Give the pixels from an anchor to the next on each level, of so many cells.

        Args:
            grids_hw: cells of each level.
            padded_hw: size of the image that the levels were computed from.
        """
        if not self.conventions.even_anchors:
            return tuple((stride, stride) for stride in self.strides)
        return tuple((padded_hw[0] // rows, padded_hw[1] // columns) for rows, columns in grids_hw)

    def _best_anchors(
        self, levels: Sequence[Tensor], padded_hw: tuple[int, int], probe: Probe
    ) -> tuple[Tensor, Tensor]:
        """Choose each level's anchors by objectness and move them by their deltas.

        Returns:
            Objectness logits (N, L * K), level by level, best first within each, and boxes (N, L * K, 4), not
            clipped. A level with fewer than K anchors is filled up with boxes without sides.
        """
        grids = tuple((level.shape[2], level.shape[3]) for level in levels)
        tables = pyramid_anchors(
            self.anchor_sizes,
            self.aspect_ratios,
            grids,
            self.strides_hw(grids, padded_hw),
            whole_pixels=self.conventions.whole_pixel_anchors,
        )
        count = min(self.pre_nms, max(len(table) for table in tables))
        best, deltas, anchors = [], [], []
        for i, (level, table) in enumerate(zip(levels, tables, strict=True)):
            logits, level_deltas = self.head(level)
            chosen, index = logits.topk(min(count, len(table)), dim=1)
            probe(f"rpn.logits.{i}", logits)
            probe(f"rpn.deltas.{i}", level_deltas)
            probe(f"rpn.chosen.{i}", index)
            best.append(_fill(chosen, count, dim=1))
            chosen = torch.gather(level_deltas, 2, index[:, None].expand(-1, 4, -1))  # (N, 4, k)
            deltas.append(_fill(chosen, count, dim=2))
            chosen = F.embedding(index, torch.tensor(table, device=level.device))  # (N, k, 4)
            anchors.append(_fill(chosen, count, dim=1))
        boxes = box.decode(
            torch.cat(deltas, dim=2).transpose(1, 2),
            torch.cat(anchors, dim=1),
            limited_shrinking=self.conventions.limited_shrinking,
        )
        return torch.cat(best, dim=1), boxes


def _fill(values: Tensor, length: int, dim: int) -> Tensor:
    """Append zeros along an axis up to the given length."""
    missing = length - values.shape[dim]
    axes_after = values.dim() - 1 - dim
    return F.pad(values, (0, 0) * axes_after + (0, missing)) if missing else values
