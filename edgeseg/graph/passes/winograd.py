"""Compute 3x3 convolutions by Winograd's minimal filtering F(4x4, 3x3), in plain operators.

A tile of 4x4 outputs takes 36 products a pair of channels instead of 144: with d the 6x6 inputs it depends on
and g the kernel, it is A^T [(G g G^T) * (B^T d B)] A (Lavin and Gray 2016, section 4.3). The kernels are
transformed here; `pixel_products.py` does the rest in the graph. The tiles of a dilated convolution have
their pixels that far apart. The transformed kernels take 4 times the memory; values differ from those of the
plain convolution by some 1e-6 of the largest.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.pixel_products import LEAST_OPSET, TileProducts, convolve_by, numbered
from edgeseg.graph.passes.speed import Site, SpeedPass, size_of, static_shape
from edgeseg.graph.view import FLOAT, WEIGHT, name_of

LEAST_CHANNELS = 128  # read and given: with fewer the transforms take longer than they save
KERNEL, OUT, TILE = 3, 4, 6  # pixels a side: of the kernel, of a tile's outputs, of its inputs
POINTS = TILE * TILE

# For the points 0, 1, -1, 2, -2 and infinity.
INPUT_TRANSFORM = np.array(  # B^T
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
KERNEL_TRANSFORM = (  # G
    np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], np.float64) / 24
)
OUTPUT_TRANSFORM = np.array(  # A^T
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float64
)


class Winograd(SpeedPass):
    """Give 3x3 convolutions of many channels Winograd's form.

    Requires:
        types that are known. Only convolutions are changed that are of two dimensions in float32, of one
        group, of a stride of 1, with constant weights, and of images whose channels and size are fixed; how
        many there are may change from run to run.
    """

    title = "3x3 convolutions by Winograd"

    def sites(self, model: ir.Model) -> list[Site]:
        """List the convolutions."""
        if model.graph.opset_imports.get("", 0) < LEAST_OPSET:
            return []
        return [Site(name_of(node.outputs[0]), (node,)) for node in model.graph if _fits(node)]

    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Put transforms and matrix products in the place of one convolution."""
        (node,) = site.nodes
        weight = node.inputs[WEIGHT]
        assert weight is not None
        assert weight.const_value is not None
        size_hw, kept_hw = size_of(node.inputs[0]), size_of(node.outputs[0])
        assert size_hw is not None
        assert kept_hw is not None
        dilations = node.attributes.get_ints("dilations", (1, 1))
        before = node.attributes.get_ints("pads", (0,) * 4)[:2]
        lines = [_tiles(kept, dilation) for kept, dilation in zip(kept_hw, dilations, strict=True)]
        rows, columns = (reads - pad for (reads, _), pad in zip(lines, before, strict=True))
        tiles = TileProducts(
            reads=numbered(rows, columns, size_hw),
            before=np.kron(INPUT_TRANSFORM, INPUT_TRANSFORM).astype(np.float32),
            kernels=transformed(weight.const_value.numpy()),
            after=np.kron(OUTPUT_TRANSFORM, OUTPUT_TRANSFORM).astype(np.float32),
            writes=numbered(lines[0][1], lines[1][1], kept_hw),
        )
        convolve_by(graph, node, f"{site.name}.winograd", kept_hw, [tiles])


def _tiles(kept: int, dilation: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lay tiles along one axis of the outputs.

    Returns:
        The places that each tile reads in the padded image, (6, tiles), and those that it writes, (4, tiles).
    """
    phases = np.arange(min(dilation, kept))
    firsts = np.arange(0, -(-kept // dilation), OUT)
    starts = (firsts[:, None] * dilation + phases).reshape(1, -1)
    taps = dilation * np.arange(TILE)[:, None]
    return starts + taps, starts + taps[:OUT]


def transformed(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn kernels (M, C, 3, 3) into G g G^T, (36, M, C)."""
    outputs, channels = weight.shape[:2]
    points: NDArray[np.float64] = KERNEL_TRANSFORM @ weight.astype(np.float64) @ KERNEL_TRANSFORM.T
    return np.ascontiguousarray(points.reshape(outputs, channels, POINTS).transpose(2, 0, 1), np.float32)


def _fits(node: ir.Node) -> bool:
    if node.op_type != "Conv" or node.domain or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    weight = static_shape(node.inputs[WEIGHT])
    constants = [value for value in node.inputs[WEIGHT:] if value is not None]
    return (
        weight is not None
        and node.outputs[0].dtype == FLOAT
        and size_of(node.inputs[0]) is not None
        and size_of(node.outputs[0]) is not None
        and all(value.is_initializer() for value in constants)
        and weight[2:] == (KERNEL, KERNEL)
        and min(weight[:2]) >= LEAST_CHANNELS
        and node.attributes.get_int("group", 1) == 1
        and set(node.attributes.get_ints("strides", (1,))) == {1}
    )
