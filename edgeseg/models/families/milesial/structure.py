"""Find a U-Net by the shapes of its weights, whatever their names, and give them the names of ours.

Tutorials write the network of the paper's figure under names of their own. Its convolutions come in pairs, of
which a level of `c` channels has one in each path, c/2 to c and 2c to c, and an up-convolution of 2x2 leads
from each level to the one above; so shapes alone tell where each belongs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgeseg.models.checkpoints.weight_names import NORM_COUNTER

Weights = Mapping[str, Tensor]

NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
PLANES = 4  # dimensions of a convolution's weight
MOST_IMAGE_CHANNELS = 16


@dataclass(frozen=True)
class Block:
    """Two 3x3 convolutions, by the names of their layers, and of the normalisation after each."""

    convolutions: tuple[str, str]
    norms: tuple[str, ...]  # two or none
    c_in: int
    c_out: int


@dataclass(frozen=True)
class Structure:
    """A U-Net's layers.

    Attributes:
        down: blocks of the contracting path, the finest first; the last is the bottom.
        up: blocks of the expanding path, the coarsest first.
        ups: up-convolutions, in the same order.
        classifier: the 1x1 convolution at the end.
    """

    down: tuple[Block, ...]
    up: tuple[Block, ...]
    ups: tuple[str, ...]
    classifier: str


def find_structure(weights: Weights) -> Structure | None:
    """Find a U-Net's layers; None if the weights are not those of one with up-convolutions."""
    kernels = {
        name.removesuffix(".weight"): tensor for name, tensor in weights.items() if tensor.ndim == PLANES
    }
    convolutions = [name for name, tensor in kernels.items() if tuple(tensor.shape[2:]) == (3, 3)]
    ups = {kernels[name].shape[0]: name for name in kernels if tuple(kernels[name].shape[2:]) == (2, 2)}
    last = [name for name, tensor in kernels.items() if tuple(tensor.shape[2:]) == (1, 1)]
    norms = [name.removesuffix(".running_mean") for name in weights if name.endswith(".running_mean")]
    blocks = _blocks(kernels, convolutions, norms)
    if blocks is None or len(last) != 1 or len(convolutions) + len(ups) + 1 != len(kernels):
        return None
    expanding = {block.c_out: block for block in blocks if block.c_in == 2 * block.c_out}
    contracting = {block.c_out: block for block in blocks if block not in expanding.values()}
    widths = sorted(contracting)
    first = contracting[widths[0]]
    are_chained = all(
        contracting[c].c_in * 2 == c == widths[0] << level for level, c in enumerate(widths) if level
    )
    is_whole = len(expanding) + len(contracting) == len(blocks) and sorted(expanding) == widths[:-1]
    if not (
        ups and are_chained and is_whole and sorted(ups) == widths[1:] and first.c_in <= MOST_IMAGE_CHANNELS
    ):
        return None
    coarsest_first = widths[:-1][::-1]
    found = Structure(
        tuple(contracting[c] for c in widths),
        tuple(expanding[c] for c in coarsest_first),
        tuple(ups[2 * c] for c in coarsest_first),
        last[0],
    )
    return (
        found if set(_names(found)) >= {name for name in weights if not name.endswith(NORM_COUNTER)} else None
    )


def renamed(weights: Weights, structure: Structure, *, skip_first: bool) -> dict[str, Tensor]:
    """Give a U-Net's weights the names of ours, which joins the skip connection before the map from below.

    Args:
        skip_first: whether the weights' network does so, too; if not, the first convolution of each block of
            the expanding path gets its inputs in our order.
    """
    named: dict[str, Tensor] = {}

    def take(layer: str, own: str) -> None:
        for part in NORM_PARTS:
            if f"{layer}.{part}" in weights:
                named[f"{own}.{part}"] = weights[f"{layer}.{part}"]

    def take_block(block: Block, own: str) -> None:
        step = 3 if block.norms else 2  # convolution, normalisation, ReLU
        for index, convolution in enumerate(block.convolutions):
            take(convolution, f"{own}.double_conv.{step * index}")
            if block.norms:
                take(block.norms[index], f"{own}.double_conv.{step * index + 1}")

    take_block(structure.down[0], "inc")
    for level, block in enumerate(structure.down[1:], start=1):
        take_block(block, f"down{level}.maxpool_conv.1")
    for step, (block, up) in enumerate(zip(structure.up, structure.ups, strict=True), start=1):
        take(up, f"up{step}.up")
        take_block(block, f"up{step}.conv")
        if not skip_first:
            first = f"up{step}.conv.double_conv.0.weight"
            named[first] = torch.cat([named[first][:, block.c_out :], named[first][:, : block.c_out]], dim=1)
    take(structure.classifier, "outc.conv")
    return named


def _blocks(kernels: Weights, convolutions: Sequence[str], norms: Sequence[str]) -> list[Block] | None:
    """Pair the 3x3 convolutions in the order in which they stand; None if they are no pairs."""
    if len(convolutions) % 2 or len(norms) not in (0, len(convolutions)) or not convolutions:
        return None
    blocks = []
    for index in range(0, len(convolutions), 2):
        one, other = convolutions[index : index + 2]
        (c_out, c_in), (last, between) = (kernels[name].shape[:2] for name in (one, other))
        if not c_out == between == last:
            return None
        blocks.append(Block((one, other), tuple(norms[index : index + 2]), c_in, c_out))
    return blocks


def _names(structure: Structure) -> list[str]:
    """List the names that a structure's weights may have."""
    blocks = (*structure.down, *structure.up)
    layers = [layer for block in blocks for layer in (*block.convolutions, *block.norms)]
    layers += [*structure.ups, structure.classifier]
    return [f"{layer}.{part}" for layer in layers for part in NORM_PARTS]
