"""Turn proposals into detections: a class, a tight box and a mask for each.

Two branches look at features pooled from the pyramid by ROI-Align. The box branch classifies every proposal
and refines its box once per class (Fast R-CNN, Girshick 2015); the mask branch draws a small mask of what was
found (Mask R-CNN, He et al. 2017).

All pairs of a proposal and a class compete, 90,000 with COCO's classes. They are ranked by score first, and
only the best `candidates` of them are decoded and put through non-maximum suppression. Likewise the mask
branch computes the mask of the detected class alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.intermediates import Probe, no_probe
from edgeseg.models import boxes as box
from edgeseg.models.backbone import NormLayer, initialise_convolutions
from edgeseg.models.conventions import TORCHVISION, Conventions
from edgeseg.models.operators import nms, roi_align
from edgeseg.models.rpn import Proposals

MIN_SIDE = 1e-2  # pixels; thinner detections are dropped
DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # the layer is trained on deltas times these, of about unit variance
MASK_UPSAMPLING = 2  # the mask is so many times finer than the features it is drawn from


class TwoMLPHead(nn.Module):
    """Two fully connected layers: pooled features (K, in_channels) -> (K, representation_size)."""

    def __init__(self, in_channels: int, representation_size: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, pooled: Tensor) -> Tensor:
        """Turn pooled features (K, C, P, P) into vectors (K, representation_size)."""
        hidden = self.fc6(pooled.flatten(1)).relu()
        vectors: Tensor = self.fc7(hidden).relu()
        return vectors


class BoxPredictor(nn.Module):
    """Class logits and, for each class, box deltas."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Turn (K, in_channels) into logits (K, num_classes) and deltas (K, num_classes * 4)."""
        return self.cls_score(vectors), self.bbox_pred(vectors)


class MaskPredictor(nn.Module):
    """Doubles the resolution by a 2x2 up-convolution and draws the mask of one class.

    A 1x1 convolution holds one filter a class. Its filter for the detected class is looked up and applied to
    that detection alone, 1/num_classes of the work.
    """

    def __init__(self, in_channels: int, hidden_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(in_channels, hidden_channels, MASK_UPSAMPLING, MASK_UPSAMPLING)
        self.mask_fcn_logits = nn.Conv2d(hidden_channels, num_classes, 1)
        for layer in (self.conv5_mask, self.mask_fcn_logits):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Tensor, class_ids: Tensor) -> Tensor:
        """Turn features (K, C, P, P) of boxes with classes (K,) into probabilities (K, 2P, 2P)."""
        fine = self.conv5_mask(features).relu()  # (K, hidden, 2P, 2P)
        side = fine.shape[-1]
        weight, bias = self.mask_fcn_logits.weight, self.mask_fcn_logits.bias
        assert bias is not None
        class_weight = F.embedding(class_ids, weight.flatten(1))[:, None]  # (K, 1, hidden)
        class_bias = F.embedding(class_ids, bias[:, None])[:, None]  # (K, 1, 1)
        logits = torch.bmm(class_weight, fine.flatten(2)) + class_bias  # (K, 1, 4P²)
        return logits.sigmoid().reshape(-1, side, side)


def conv_stack(
    in_channels: int, channels: Sequence[int], norm_layer: NormLayer | None = None
) -> list[nn.Module]:
    """Build 3x3 convolutions that keep the size, each with its normalisation (or a bias) and ReLU."""
    blocks: list[nn.Module] = []
    for out_channels in channels:
        conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=norm_layer is None)
        norm = [] if norm_layer is None else [norm_layer(out_channels)]
        blocks.append(nn.Sequential(conv, *norm, nn.ReLU()))
        in_channels = out_channels
    return blocks


def conv_fc_head(
    in_channels: int,
    grid_size: int,
    conv_channels: Sequence[int],
    representation_size: int,
    norm_layer: NormLayer | None,
) -> nn.Sequential:
    """Build torchvision's "v2" box head: convolutions on the pooled grid, then one fully connected layer."""
    convolutions = conv_stack(in_channels, conv_channels, norm_layer)
    last = conv_channels[-1] if conv_channels else in_channels
    linear = nn.Linear(last * grid_size**2, representation_size)
    head = nn.Sequential(*convolutions, nn.Flatten(), linear, nn.ReLU())
    initialise_convolutions(head)
    return head


class RoIHeads(nn.Module):
    """The box branch and the mask branch.

    Args:
        strides: input pixels per cell of each map that regions are pooled from, finest first.
        box_head: pooled features (K, C, P, P) -> vectors (K, representation_size).
        box_predictor: vectors -> class logits and deltas.
        mask_head: pooled features (K, C, Q, Q) -> features of the same size.
        mask_predictor: features and classes -> masks.
        box_grid: P, bins per side that a box is pooled to for classification.
        mask_grid: Q, bins per side for the mask.
        score_threshold: a pair of proposal and class must score more, 0..1.
        nms_threshold: IoU above which the worse of two detections of a class goes.
        detections: D, at most so many an image.
        candidates: pairs of proposal and class that enter suppression, best first. The result is exact when
            these are all the pairs above `score_threshold` and `MIN_SIDE`, or when D of them survive:
            a pair beyond them cannot remove a better one.
        conventions: of the implementation that the weights were trained with.
    """

    def __init__(
        self,
        *,
        strides: Sequence[int],
        box_head: nn.Module,
        box_predictor: BoxPredictor,
        mask_head: nn.Module,
        mask_predictor: MaskPredictor,
        box_grid: int,
        mask_grid: int,
        score_threshold: float,
        nms_threshold: float,
        detections: int,
        candidates: int,
        conventions: Conventions = TORCHVISION,
    ) -> None:
        super().__init__()
        self.strides = list(strides)
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.mask_head = mask_head
        self.mask_predictor = mask_predictor
        self.box_grid = box_grid
        self.mask_grid = mask_grid
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.detections = detections
        self.candidates = candidates
        self.conventions = conventions

    def detect(
        self,
        levels: Sequence[Tensor],
        proposals: Proposals,
        image_hw: tuple[int, int],
        probe: Probe = no_probe,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Classify and refine proposals, and keep the best that do not overlap.

        Args:
            levels: maps (N, C, H_l, W_l) at `strides`.
            proposals: P an image.
            image_hw: size that boxes are clipped to.
            probe: is given every intermediate value, see `intermediates`.

        Returns:
            boxes (N, D, 4) xyxy, scores (N, D) and class_ids (N, D) int64 from 1, best first. Padding has
            score 0, class 0 (background) and a box of zeros.
        """
        batch, count = proposals.scores.shape
        logits, deltas = self.describe(levels, proposals.boxes)
        foreground = logits.shape[1] - 1
        scores = logits.softmax(dim=1).reshape(batch, count, -1)[..., 1:]
        scores = torch.where(proposals.scores[..., None] > 0, scores, 0.0)
        best, pair = scores.flatten(1).topk(self.candidate_count(count, foreground), dim=1)  # (N, M)
        probe("heads.logits", logits)
        probe("heads.deltas", deltas)
        probe("heads.chosen", pair)
        probe("heads.probabilities", best)

        proposal, class_ids = pair // foreground, pair % foreground
        row = pair + proposal + 1  # of the (proposal, class) pairs with background, class 0, among them
        shifts = box.take(deltas.reshape(batch, -1, 4), row) / deltas.new_tensor(DELTA_WEIGHTS)
        limited = self.conventions.limited_shrinking
        boxes = box.decode(shifts, box.take(proposals.boxes, proposal), limited_shrinking=limited)
        boxes = box.clip(boxes, image_hw)
        probe("heads.boxes", boxes)
        valid = (best > self.score_threshold) & box.has_sides(boxes, MIN_SIDE)
        best = torch.where(valid, best, 0.0)
        keep = nms(boxes, best, class_ids, self.nms_threshold, foreground)
        probe("heads.scores", best)
        probe("heads.keep", keep)
        kept_scores = torch.where(keep, best, 0.0)
        top, index = kept_scores.topk(min(self.detections, kept_scores.shape[1]), dim=1)  # (N, D)
        found = top > 0
        boxes = torch.where(found[..., None], box.take(boxes, index), 0.0)
        class_ids = torch.where(found, torch.gather(class_ids, 1, index) + 1, 0)
        probe("heads.best", index)
        probe("detections.boxes", boxes)
        probe("detections.scores", top)
        probe("detections.class_ids", class_ids)
        return boxes, top, class_ids

    def describe(self, levels: Sequence[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Answer to boxes (N, P, 4) with class logits (N P, C) and deltas (N P, 4 C)."""
        pooled = self._pool(levels, boxes, self.box_grid)
        described: tuple[Tensor, Tensor] = self.box_predictor(self.box_head(pooled.flatten(0, 1)))
        return described

    def segment(self, levels: Sequence[Tensor], boxes: Tensor, class_ids: Tensor) -> Tensor:
        """Draw the mask of each detection: boxes (N, D, 4), classes (N, D) -> probabilities (N, D, M, M)."""
        pooled = self._pool(levels, boxes, self.mask_grid)
        if torch.compiler.is_exporting():  # batch normalisation wants to know; the graph serves none as well
            torch._check(pooled.shape[1] != 0)
        features = self.mask_head(pooled.flatten(0, 1))
        masks: Tensor = self.mask_predictor(features, class_ids.flatten())
        return masks.reshape(*class_ids.shape, *masks.shape[1:])

    def _pool(self, levels: Sequence[Tensor], boxes: Tensor, grid: int) -> Tensor:
        """Pool boxes (N, K, 4) to (N, K, C, grid, grid)."""
        ratio, aligned = self.conventions.sampling_ratio, self.conventions.aligned_regions
        pooled: Tensor = roi_align(levels, boxes, self.strides, grid, ratio, aligned=aligned)
        return pooled

    def candidate_count(self, proposals: int, foreground: int) -> int:
        """Count the pairs worth ranking: a proposal's probabilities sum to 1, so few exceed the threshold."""
        above = foreground
        if self.score_threshold > 0:
            above = min(foreground, max(1, math.ceil(1 / self.score_threshold) - 1))
        return min(self.candidates, proposals * above)
