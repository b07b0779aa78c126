"""Turn a network's own output into logits within the graph, by what the output means."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeseg.spec import LOGITS_HEAD, HeadSpec

PLANES_NDIM = 4  # (N, C, h, w)
SIGMOID_FLOOR = 1e-4
"""Least p and least 1 - p of a sigmoid: what rounding does to a p near 1 would blow up in log(1 - p) below.

Log-odds stay within 9.21, and a confidence is off by no more than this.
"""
LEAST_PROBABILITY = 1e-6  # what a softmax's 0 stands for, so that its logarithm exists
RIVAL_FLOOR = 1e-4
"""Of several sigmoids, which may all be small at once: below this p, not its logarithm but the tangent there.

Sigmoids are computed with errors of 1e-8 and more, which is everything in the logarithm of a p as small. On
the tangent they stay what they are, and small ones in their order; a share is off by no more than this.
"""


@dataclass(frozen=True)
class Reading:
    """How a network's output is read.

    Attributes:
        key: of the tensor, as `network_outputs.Output` has it.
        head: what its numbers mean.
        are_probabilities: whether the channels of a `multilabel` head are probabilities already.
    """

    key: str = ""
    head: HeadSpec = LOGITS_HEAD
    are_probabilities: bool = False


def logits_from(raw: Tensor, reading: Reading) -> Tensor:
    """Turn the chosen tensor into logits that are interpolated and compared.

    A single channel of an exclusive head becomes the two classes background, 0, and foreground.

    Args:
        raw: (N, C, h, w), or (N, H, W) for one channel; of any head but `labels`.

    Returns:
        (N, C, h, w) float32, at least two channels but for `multilabel`.
    """
    scores = as_planes(raw).to(torch.float32)
    kind, shift = reading.head.kind, reading.head.shift
    if kind == "softmax":
        scores = scores.clamp(min=LEAST_PROBABILITY).log()
    elif kind == "sigmoid" and scores.shape[1] > 1:
        above, below = scores.clamp(min=RIVAL_FLOOR), scores.clamp(max=RIVAL_FLOOR)
        scores = above.log() + (below / RIVAL_FLOOR - 1.0)
    elif kind == "sigmoid" or reading.are_probabilities:
        scores = scores.clamp(min=SIGMOID_FLOOR).log() - (1.0 - scores).clamp(min=SIGMOID_FLOOR).log()
    if kind == "multilabel":
        return scores - shift if shift else scores
    if scores.shape[1] == 1:
        scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
    if shift:  # of two classes
        scores = torch.cat([scores[:, :1], scores[:, 1:] - shift], dim=1)
    return scores


def labels_from(raw: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Bring class ids (N, 1, h, w) or (N, H, W) of any type to the input's size, (N, H, W) uint8."""
    planes = as_planes(raw)
    if tuple(planes.shape[2:]) != size_hw:
        planes = F.interpolate(planes.to(torch.float32), size=size_hw, mode="nearest")
    return planes[:, 0].to(torch.uint8)


def as_planes(raw: Tensor) -> Tensor:
    """Give (N, H, W) its one channel back."""
    return raw if raw.ndim == PLANES_NDIM else raw.unsqueeze(1)
