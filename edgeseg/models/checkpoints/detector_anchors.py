"""Tell which anchors a detector's weights were trained with, as far as their file shows it.

A state dict holds how many anchors a cell has, by the shapes of the region proposal network's head, and not
their sizes: a network with others computes other boxes without any error. Some files hold the sizes beside
the weights, or the anchors themselves as buffers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgeseg.errors import CheckpointError
from edgeseg.models.anchors import cell_anchors

ANCHOR_SETTINGS = ("anchor_sizes", "aspect_ratios")
OBJECTNESS = "rpn.head.cls_logits.weight"  # (anchors a cell, channels, 1, 1)
STORED_ANCHORS = re.compile(r"(?:^|\.)cell_anchors\.(\d+)$")  # a level each, (anchors a cell, 4) xyxy
DEEPEST_ENTRY = 4  # dictionaries within dictionaries
CLOSE_PX = 1.0  # anchors are rounded to whole pixels, or not

Anchors = Mapping[str, Any]
"""Parameters of `MaskRCNN`: `anchor_sizes`, pixels, a tuple a level; `aspect_ratios`, height over width."""


def find_anchors(content: Any, depth: int = DEEPEST_ENTRY) -> dict[str, Any]:
    """Look for anchor sizes and aspect ratios among what a file holds beside its weights.

    Args:
        content: of the file; entries of its dictionaries are searched, such as `hyper_parameters`.

    Returns:
        Those found, as `MaskRCNN` takes them; what is not of that form is passed over.
    """
    if not isinstance(content, Mapping) or depth == 0:
        return {}
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key == "anchor_sizes" and (sizes := _rows(value)):
            found.setdefault(key, sizes)
        elif key == "aspect_ratios" and (ratios := _rows(value)) and len(set(ratios)) == 1:
            found.setdefault(key, ratios[0])
        elif isinstance(value, Mapping):
            found = {**find_anchors(value, depth - 1), **found}
    return found


def describe_anchors(part: Mapping[str, Tensor], stored: Anchors) -> str:
    """Say what a detector's file shows of its anchors; empty if the weights are no detector's.

    Args:
        part: its weights by the network's own names.
        stored: what was found beside them.
    """
    if OBJECTNESS not in part or not part[OBJECTNESS].ndim:
        return ""
    known = [f"{name.replace('_', ' ')} {value}" for name, value in stored.items()]
    return ", ".join([f"{part[OBJECTNESS].shape[0]} a cell", *(known or ["their sizes are not in the file"])])


def anchor_note(name: str, network_anchors: Anchors, stored: Anchors, said: Anchors) -> list[str]:
    """Say which anchors a network of the zoo has, and where they are from.

    Args:
        name: of the network, as the user wrote it.
        network_anchors: what it has.
        stored: what was found in the file.
        said: what the user gave.
    """
    text = _described(network_anchors)
    if any(name in said for name in ANCHOR_SETTINGS):
        return []
    if stored:
        return [f"anchors are those stored in the file: {text}"]
    return [
        f"weights do not hold the sizes of anchors; {name} has {text}. If these were trained with others, "
        f"give them in this form: '{_with_anchors(name, network_anchors)}'"
    ]


def anchor_advice(found: Mapping[str, Tensor], network_anchors: Anchors, name: str) -> str:
    """Say so where the weights have another number of anchors a cell; empty if they do not."""
    if OBJECTNESS not in found:
        return ""
    theirs = found[OBJECTNESS].shape[0]
    ours = len(network_anchors["anchor_sizes"][0]) * len(network_anchors["aspect_ratios"])
    if theirs == ours:
        return ""
    return (
        f"the weights have {theirs} anchors a cell (sizes of a level times aspect ratios), the network "
        f"{ours}; weights do not hold which, so give those of the training in the form of the network's own: "
        f"'{_with_anchors(name, network_anchors)}'"
    )


def is_stored_anchors(name: str) -> bool:
    """Tell whether a name is that of a level's anchors, stored as a buffer."""
    return STORED_ANCHORS.search(name) is not None


def check_stored_anchors(weights: Mapping[str, Tensor], network_anchors: Anchors, source: str) -> None:
    """Compare anchors stored as buffers with those of a network.

    Args:
        weights: tensors by name; those of `is_stored_anchors` count, if there are any.
        network_anchors: what the network has.

    Raises:
        CheckpointError: if they are others.
    """
    levels = {
        int(match[1]): tensor for name, tensor in weights.items() if (match := STORED_ANCHORS.search(name))
    }
    if not levels:
        return
    sizes, ratios = network_anchors["anchor_sizes"], network_anchors["aspect_ratios"]
    stored = [_sorted(levels[level]) for level in sorted(levels)]
    own = [_sorted(torch.from_numpy(cell_anchors(level, ratios))) for level in sizes]
    same = len(stored) == len(own) and all(
        one.shape == other.shape and np.abs(one - other).max() <= CLOSE_PX
        for one, other in zip(stored, own, strict=True)
    )
    if not same:
        raise CheckpointError(
            f"{source} was trained with anchors of {_sizes_of(stored)} pixels, the network has "
            f"{_described(network_anchors)}; give those of the training after its name, in the form "
            f"'{_with_anchors('', network_anchors)}'"
        )


def _with_anchors(name: str, anchors: Anchors) -> str:
    """Write anchors as arguments after a network's name, and the arguments that are there."""
    sizes, ratios = (str(anchors[name]).replace(" ", "") for name in ANCHOR_SETTINGS)
    return f"{name}{'&' if '?' in name else '?'}anchor_sizes={sizes}&aspect_ratios={ratios}"


def _described(anchors: Anchors) -> str:
    sizes = " | ".join(",".join(f"{size:g}" for size in level) for level in anchors["anchor_sizes"])
    ratios = ", ".join(f"{ratio:g}" for ratio in anchors["aspect_ratios"])
    return f"sizes {sizes} pixels by level, aspect ratios {ratios}"


def _sorted(anchors: Tensor) -> Any:
    """Give (A, 4) anchors as floats in an order of their own: files differ in it."""
    rows = anchors.detach().double().reshape(-1, 4).numpy()
    return rows[np.lexsort(rows.T)]


def _sizes_of(levels: Sequence[Any]) -> str:
    """Say the square roots of the areas of each level's anchors."""
    sides = [np.sqrt((rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1])) for rows in levels]
    return " | ".join(
        ",".join(str(size) for size in sorted({round(float(side)) for side in row})) for row in sides
    )


def _rows(value: Any) -> tuple[tuple[float, ...], ...] | None:
    """Read numbers, or rows of numbers, as rows; None if they are no such thing."""
    if not isinstance(value, list | tuple) or not value:
        return None
    rows = value if isinstance(value[0], list | tuple) else [value]
    if not all(isinstance(row, list | tuple) and row and all(_is_size(size) for size in row) for row in rows):
        return None
    return tuple(tuple(row) for row in rows)


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
