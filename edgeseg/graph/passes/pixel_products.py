"""Put a convolution that is computed by matrix products over pixels in the place of a plain one.

Fast algorithms for small convolutions have one form: with d the pixels that a tile of outputs depends on and
g the kernel, the outputs are A^T [(G g) * (B^T d)], for all tiles at once. With channels innermost a pixel is
a row of numbers, so that to lay the tiles out is to copy rows. What is left is three matrix products: by B^T,
by the transformed kernels G g, which sums over channels, and by A^T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.chain import Chain
from edgeseg.graph.passes.speed import size_of
from edgeseg.graph.view import WEIGHT

LEAST_OPSET = 11  # since which Pad takes what it is told as an input


@dataclass(frozen=True)
class TileProducts:
    """Tiles of one form, and the matrices that compute them.

    Attributes:
        reads: the pixels of each tile, by their number in the image, (inputs, tiles); the number of pixels
            stands for zeros around it.
        before: B^T, (products, inputs).
        kernels: G g, (products, M, C).
        after: A^T, (outputs, products).
        writes: the pixels that each tile gives, likewise, (outputs, tiles); the number of pixels stands for
            none.
    """

    reads: NDArray[np.int64]
    before: NDArray[np.float32]
    kernels: NDArray[np.float32]
    after: NDArray[np.float32]
    writes: NDArray[np.int64]


def numbered(
    rows: NDArray[np.int64], columns: NDArray[np.int64], size_hw: tuple[int, int]
) -> NDArray[np.int64]:
    """Number the pixels at rows (i, p) and columns (j, q), (i j, p q); those beyond the image are H W."""
    height, width = size_hw
    down, along = rows[:, None, :, None], columns[None, :, None, :]
    inside = (down >= 0) & (down < height) & (along >= 0) & (along < width)
    return np.where(inside, down * width + along, height * width).reshape(len(rows) * len(columns), -1)


def convolve_by(
    graph: ir.Graph, node: ir.Node, name: str, output_hw: tuple[int, int], tiles: Sequence[TileProducts]
) -> None:
    """Replace a convolution, of constant weights and of an image whose channels and size are fixed.

    Args:
        name: how the new values' names begin.
        output_hw: rows and columns that it gives.
        tiles: together they write each of its pixels once.
    """
    image = node.inputs[0]
    size_hw = size_of(image)
    assert size_hw is not None
    height, width = size_hw
    outputs = tiles[0].kernels.shape[1]
    chain = Chain(graph, node, name)
    value = chain.add("Transpose", [image], perm=[2, 3, 0, 1])  # (H, W, N, C)
    value = chain.add("Reshape", [value], [("pixels", [height * width, -1])])
    if any((one.reads == height * width).any() for one in tiles):
        value = chain.add("Pad", [value], [("zeros", [0, 0, 1, 0])])
    sums = [_computed(chain, value, one, f"tiles{index}") for index, one in enumerate(tiles)]
    value = chain.add("Concat", sums, axis=0) if len(sums) > 1 else sums[0]
    value = chain.add("Gather", [value], [("order", _order(tiles, output_hw).tolist())], axis=0)
    value = chain.add("Reshape", [value], [("map", [*output_hw, -1, outputs])])
    if len(node.inputs) > 1 + WEIGHT and (bias := node.inputs[1 + WEIGHT]) is not None:
        value = chain.add("Add", [value, bias])
    chain.finish(chain.add("Transpose", [value], perm=[2, 3, 0, 1]))


def _computed(chain: Chain, pixels: ir.Value, tiles: TileProducts, name: str) -> ir.Value:
    """Compute tiles of pixels (H W, N C); returns their pixels, (outputs tiles, N M)."""
    inputs, count = tiles.reads.shape
    products, _, channels = tiles.kernels.shape
    kernels = tiles.kernels.swapaxes(1, 2)
    value = chain.add("Gather", [pixels], [("reads", tiles.reads.ravel().tolist())], axis=0)
    value = chain.add("Reshape", [value], [("lines", [inputs, -1])])
    value = chain.add("MatMul", [chain.constant(f"{name}.before", tiles.before), value])
    value = chain.add("Reshape", [value], [("matrices", [products, -1, channels])])  # (products, tiles N, C)
    value = chain.add("MatMul", [value, chain.constant(f"{name}.kernels", kernels)])
    value = chain.add("Reshape", [value], [("sums", [products, -1])])
    value = chain.add("MatMul", [chain.constant(f"{name}.after", tiles.after), value])
    return chain.add("Reshape", [value], [("each", [len(tiles.after) * count, -1])])


def _order(tiles: Sequence[TileProducts], output_hw: tuple[int, int]) -> NDArray[np.int64]:
    """Say which of the computed pixels is each of the output's."""
    written = np.concatenate([one.writes.ravel() for one in tiles])
    computed = np.flatnonzero(written < output_hw[0] * output_hw[1])
    return computed[np.argsort(written[computed])]
