"""Compute 3x3 convolutions by Winograd's minimal filtering F(4x4, 3x3), in plain operators.

A tile of 4x4 outputs takes 36 products a pair of channels instead of 144: with d the 6x6 inputs it depends on
and g the kernel, it is A^T [(G g G^T) * (B^T d B)] A (Lavin and Gray 2016, section 4.3). The kernels are
transformed here. In the graph a strided convolution of each channel by itself makes B^T d B of all tiles, 36
matrix products sum over channels, and one more gives the tiles. The transformed kernels take 4 times the
memory; values differ from those of the plain convolution by some 1e-6 of the largest.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.chain import Chain
from edgeseg.graph.passes.dilated_phases import can_be_in_phases, in_phases
from edgeseg.graph.passes.speed import Site, SpeedPass, static_shape
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
    """Give 3x3 convolutions of many channels Winograd's form, dilated ones by their phases.

    Requires:
        types that are known. Only convolutions are changed that are of two dimensions in float32, of one
        group, of a stride of 1, with constant weights, and of an input whose size is fixed.
    """

    title = "3x3 convolutions by Winograd"

    def sites(self, model: ir.Model) -> list[Site]:
        """List the convolutions."""
        return [Site(name_of(node.outputs[0]), (node,)) for node in model.graph if _fits(node, model)]

    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Put transforms and matrix products in the place of one convolution."""
        (node,) = site.nodes
        if max(node.attributes.get_ints("dilations", (1,))) > 1:
            node = in_phases(graph, node)
        _by_tiles(graph, node)


def transformed(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn kernels (M, C, 3, 3) into G g G^T, (36, M, C)."""
    outputs, channels = weight.shape[:2]
    points: NDArray[np.float64] = KERNEL_TRANSFORM @ weight.astype(np.float64) @ KERNEL_TRANSFORM.T
    return np.ascontiguousarray(points.reshape(outputs, channels, POINTS).transpose(2, 0, 1), np.float32)


def _by_tiles(graph: ir.Graph, node: ir.Node) -> None:
    image, weight = node.inputs[0], node.inputs[WEIGHT]
    assert image is not None
    assert weight is not None
    assert weight.const_value is not None
    batch, channels, height, width = static_shape(image) or ()
    outputs = (static_shape(weight) or ())[0]
    top, left, bottom, right = node.attributes.get_ints("pads", (0,) * 4)
    kept = (height + top + bottom - KERNEL + 1, width + left + right - KERNEL + 1)
    rows, columns = (-(-side // OUT) for side in kept)  # of tiles
    below, beside = rows * OUT - kept[0], columns * OUT - kept[1]
    chain = Chain(graph, node, f"{name_of(node.outputs[0])}.winograd")
    value = chain.add("Reshape", [image], [("channels", [batch * channels, 1, height, width])])
    value = chain.add(
        "Conv",
        [value, chain.constant("tiles", _tile_kernels())],
        strides=[OUT, OUT],
        pads=[top, left, bottom + below, right + beside],
    )  # (N C, 36, rows, columns)
    value = chain.add("Reshape", [value], [("points", [batch, channels, POINTS, rows * columns])])
    value = chain.add("Transpose", [value], perm=[2, 1, 0, 3])
    tiles = batch * rows * columns
    value = chain.add("Reshape", [value], [("matrices", [POINTS, channels, tiles])])
    kernels = chain.constant("kernels", transformed(weight.const_value.numpy()))
    value = chain.add("MatMul", [kernels, value])  # (36, M, N rows columns)
    value = chain.add("Reshape", [value], [("sums", [POINTS, outputs * tiles])])
    value = chain.add("MatMul", [chain.constant("outputs", _output_kernels()), value])  # (16, M N ..)
    value = chain.add("Reshape", [value], [("pixels", [OUT, OUT, outputs, batch, rows, columns])])
    value = chain.add("Transpose", [value], perm=[3, 2, 4, 0, 5, 1])
    value = chain.add("Reshape", [value], [("image", [batch, outputs, rows * OUT, columns * OUT])])
    if below or beside:
        value = chain.add("Slice", [value], [("from", [0, 0]), ("to", kept), ("axes", [2, 3])])
    if len(node.inputs) > 1 + WEIGHT and (bias := node.inputs[1 + WEIGHT]) is not None:
        assert bias.const_value is not None
        flat = bias.const_value.numpy().reshape(1, outputs, 1, 1)
        value = chain.add("Add", [value, chain.constant("bias", flat)])
    chain.finish(value)


def _tile_kernels() -> NDArray[np.float32]:
    """Give B^T d B as a convolution of one channel, (36, 1, 6, 6)."""
    kernels = np.kron(INPUT_TRANSFORM, INPUT_TRANSFORM).astype(np.float32)  # points (i, j), pixels (y, x)
    return kernels.reshape(POINTS, 1, TILE, TILE)


def _output_kernels() -> NDArray[np.float32]:
    """Give A^T m A as a matrix, (16, 36)."""
    return np.kron(OUTPUT_TRANSFORM, OUTPUT_TRANSFORM).astype(np.float32)


def _fits(node: ir.Node, model: ir.Model) -> bool:
    if node.op_type != "Conv" or node.domain or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    image, weight = static_shape(node.inputs[0]), static_shape(node.inputs[WEIGHT])
    constants = [value for value in node.inputs[WEIGHT:] if value is not None]
    return (
        image is not None
        and weight is not None
        and node.outputs[0].dtype == FLOAT
        and static_shape(node.outputs[0]) is not None
        and all(value.is_initializer() for value in constants)
        and weight[2:] == (KERNEL, KERNEL)
        and min(weight[:2]) >= LEAST_CHANNELS
        and node.attributes.get_int("group", 1) == 1
        and set(node.attributes.get_ints("strides", (1,))) == {1}
        and (max(node.attributes.get_ints("dilations", (1,))) == 1 or can_be_in_phases(node, model.graph))
    )
