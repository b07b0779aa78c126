"""Compute rows of 3x3 convolutions on many small maps by Winograd, with the pixels outermost.

A mask head convolves each object's 14x14 map several times. With the axes (rows, columns, objects, channels)
all of Winograd's F(4x4, 3x3) are matrix products (Lavin and Gray 2016, section 4.3; `winograd.py` names its
matrices): a matrix makes the points of all tiles of a column of pixels, another those of a row, each point is
multiplied by its kernel for all objects at once, and two matrices make pixels again. Padding is what the
matrices leave out. Nothing is moved between one convolution and the next; only the first and the last axes
are transposed. How many objects there are may change from image to image.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.chain import Chain
from edgeseg.graph.passes.speed import Site, SpeedPass, static_shape
from edgeseg.graph.passes.winograd import INPUT_TRANSFORM, KERNEL, OUT, OUTPUT_TRANSFORM, TILE, transformed
from edgeseg.graph.view import FLOAT, WEIGHT, name_of

LEAST_CHANNELS = 128  # read and given: with fewer the transforms take longer than they save
LEAST_IMAGES = 8  # where their number is fixed; of fewer the products are too narrow
MOST_PIXELS = 32  # a side: the matrices are as large as the maps
_PLANES = 4  # dimensions of maps (N, C, H, W)


class SmallMaps(SpeedPass):
    """Give rows of 3x3 convolutions on many small maps Winograd's form.

    Requires:
        types that are known. Only convolutions are changed that are in float32, of one group, of a stride and
        a dilation of 1, padded by 1, with constant weights, of maps whose channels and sides are fixed.
    """

    title = "3x3 convolutions of small maps by Winograd"

    def sites(self, model: ir.Model) -> list[Site]:
        """List the rows, each as long as one convolution alone reads the other, or its ReLU."""
        found: list[Site] = []
        taken: set[ir.Node] = set()
        for node in model.graph:
            if node not in taken and _fits(node):
                nodes = _row_from(node)
                taken.update(nodes)
                found.append(Site(name_of(nodes[-1].outputs[0]), tuple(nodes)))
        return found

    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Put matrix products in the place of a row of convolutions."""
        image, last = site.nodes[0].inputs[0], site.nodes[-1]
        assert image is not None
        height, width = _fixed(image)[1:]
        chain = Chain(graph, last, f"{site.name}.maps")
        matrices = (
            chain.constant("points_down", _to_points(height)),
            chain.constant("points_along", _to_points(width)),
            chain.constant("pixels_along", _to_pixels(width)),
            chain.constant("pixels_down", _to_pixels(height)),
        )
        value = chain.add("Transpose", [image], perm=[2, 3, 0, 1])  # (H, W, N, C)
        for node in site.nodes:
            if node.op_type == "Relu":
                value = chain.add("Relu", [value])
            else:
                value = _convolved(chain, value, node, (height, width), matrices)
        chain.finish(chain.add("Transpose", [value], perm=[2, 3, 0, 1]))
        for node in reversed(site.nodes[:-1]):
            graph.remove(node, safe=True)


def _convolved(
    chain: Chain,
    value: ir.Value,
    node: ir.Node,
    size_hw: tuple[int, int],
    matrices: tuple[ir.Value, ...],
) -> ir.Value:
    """Convolve maps (H, W, N, C); returns (H, W, N, M).

    Args:
        matrices: in the order in which they are multiplied by: two to points, two to pixels.
    """
    height, width = size_hw
    weight = node.inputs[WEIGHT]
    assert weight is not None
    assert weight.const_value is not None
    outputs, channels = (static_shape(weight) or ())[:2]
    down, along = (TILE * tiles(side) for side in size_hw)
    value = chain.add("Reshape", [value], [("lines", [height, -1])])
    value = chain.add("MatMul", [matrices[0], value])
    value = chain.add("Reshape", [value], [("line", [down, width, -1])])
    value = chain.add("MatMul", [matrices[1], value])
    grid = [TILE, tiles(height), TILE, -1, channels]
    value = chain.add("Reshape", [value], [("points", grid)])  # (6, rows, 6, columns N, C) of tiles
    kernels = transformed(weight.const_value.numpy()).reshape(TILE, 1, TILE, outputs, channels)
    value = chain.add(
        "MatMul", [value, chain.constant(f"{name_of(weight)}.points", kernels.swapaxes(-1, -2))]
    )
    value = chain.add("Reshape", [value], [("sums", [down, along, -1])])
    value = chain.add("MatMul", [matrices[2], value])
    value = chain.add("Reshape", [value], [("sum", [down, -1])])
    value = chain.add("MatMul", [matrices[3], value])
    value = chain.add("Reshape", [value], [("pixels", [height, width, -1, outputs])])
    if len(node.inputs) > 1 + WEIGHT and (bias := node.inputs[1 + WEIGHT]) is not None:
        value = chain.add("Add", [value, bias])
    return value


def tiles(side: int) -> int:
    """Count the tiles that cover a side of a map."""
    return -(-side // OUT)


def _to_points(side: int) -> NDArray[np.float32]:
    """Give what makes the points of all tiles along one axis, (6 tiles, side)."""
    matrix = np.zeros((TILE, tiles(side), side))
    for tile in range(tiles(side)):
        for tap in range(TILE):
            pixel = OUT * tile + tap - 1
            if 0 <= pixel < side:
                matrix[:, tile, pixel] = INPUT_TRANSFORM[:, tap]
    return matrix.reshape(-1, side).astype(np.float32)


def _to_pixels(side: int) -> NDArray[np.float32]:
    """Give what makes pixels of the points of all tiles along one axis, (side, 6 tiles)."""
    matrix = np.zeros((OUT * tiles(side), TILE, tiles(side)))
    for tile in range(tiles(side)):
        matrix[OUT * tile : OUT * (tile + 1), :, tile] = OUTPUT_TRANSFORM
    return matrix[:side].reshape(side, -1).astype(np.float32)


def _row_from(node: ir.Node) -> list[ir.Node]:
    """Follow a convolution along those that alone read what it gives."""
    row = [node]
    while (reader := _only_reader(row[-1])) is not None:
        is_relu = reader.op_type == "Relu" and not reader.domain and row[-1].op_type == "Conv"
        if not is_relu and not _fits(reader):
            break
        row.append(reader)
    return row


def _only_reader(node: ir.Node) -> ir.Node | None:
    value = node.outputs[0]
    uses = value.uses()
    if len(uses) != 1 or value.is_graph_output() or uses[0].idx != 0:
        return None
    return uses[0].node


def _fixed(image: ir.Value | None) -> tuple[int, ...]:
    """Give channels, height and width of maps, if they are fixed."""
    if image is None or image.shape is None or len(image.shape) != _PLANES:
        return ()
    sizes = tuple(size for size in image.shape[1:] if isinstance(size, int))
    return sizes if len(sizes) == _PLANES - 1 else ()


def _fits(node: ir.Node) -> bool:
    if node.op_type != "Conv" or node.domain or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    image, weight = node.inputs[0], static_shape(node.inputs[WEIGHT])
    sizes = _fixed(image)
    constants = [value for value in node.inputs[WEIGHT:] if value is not None]
    return (
        image is not None
        and bool(sizes)
        and weight is not None
        and node.outputs[0].dtype == FLOAT
        and _are_many(image)
        and max(sizes[1:]) <= MOST_PIXELS
        and weight[2:] == (KERNEL, KERNEL)
        and min(weight[:2]) >= LEAST_CHANNELS
        and all(value.is_initializer() for value in constants)
        and node.attributes.get_int("group", 1) == 1
        and set(node.attributes.get_ints("strides", (1,))) == {1}
        and set(node.attributes.get_ints("dilations", (1,))) == {1}
        and set(node.attributes.get_ints("pads", (0,))) == {1}
    )


def _are_many(image: ir.Value) -> bool:
    images = (image.shape or ())[0]
    return not isinstance(images, int) or images >= LEAST_IMAGES
