"""Compute 3x3 convolutions of a dilation near the map's size with fewer products.

A convolution of dilation d reads rows y, y + d, y + 2d, ..: those of one remainder of y by d, a phase. Where
d is a fair part of the height, a phase has few rows (6, 3 and 2 of 64 at the rates 12, 24 and 36 of DeepLab's
pyramid), and zeros lie around them. Along one axis the n rows of a phase and the 3 taps g give n sums, for
which n + 2 products suffice (3 for n = 2): A^T [(G g) * (B^T x)], by the algorithms of Cook and Toom as in
Lavin and Gray 2016. Rows and columns do so one after the other, and each product is one of matrices, which
sums over channels.

All phases do the same with their places: one transposition puts the places first, and the rest is matrices.
Of 9 multiplications an output and channel, 1.8 to 2.8 are left; the transformed kernels take 1 to 7 times the
memory; values differ from those of the plain convolution by some 1e-6 to 1e-5 of the largest.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.chain import Chain
from edgeseg.graph.passes.speed import Site, SpeedPass, static_shape
from edgeseg.graph.view import FLOAT, WEIGHT, name_of

LEAST_OPSET = 13  # since which Slice takes what it is told as inputs
TAPS, PAIR = 3, 2
MOST_ROWS = 6  # of a phase: more need points that cost accuracy
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)  # and infinity


class WideDilations(SpeedPass):
    """Give convolutions whose taps lie far apart the form of products over phases.

    Requires:
        types that are known. Only convolutions are changed that are 3x3, in float32, of one group, of a
        stride of 1, padded by their dilation, of constant weights, and of an input whose size is fixed and at
        most `MOST_ROWS` times the dilation.
    """

    title = "wide dilations by fewer products"

    def sites(self, model: ir.Model) -> list[Site]:
        """List the convolutions."""
        if model.graph.opset_imports.get("", 0) < LEAST_OPSET:
            return []
        return [Site(name_of(node.outputs[0]), (node,)) for node in model.graph if _fits(node)]

    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Put transforms and matrix products in the place of one convolution."""
        (node,) = site.nodes
        image, weight = node.inputs[0], node.inputs[WEIGHT]
        assert image is not None
        assert weight is not None
        assert weight.const_value is not None
        batch, channels, *size = static_shape(image) or ()
        across, along = node.attributes.get_ints("dilations", ())
        rows, columns = -(-size[0] // across), -(-size[1] // along)  # of a phase
        kernels, before, after = products(weight.const_value.numpy(), rows, columns)
        points, outputs = kernels.shape[:2]
        phases = batch * across * along
        chain = Chain(graph, node, f"{site.name}.wide")
        value, beyond = image, (rows * across - size[0], columns * along - size[1])
        if any(beyond):
            value = chain.add("Pad", [value], [("beyond", [0] * 6 + list(beyond))])
        cells = [batch, channels, rows, across, columns, along]
        value = chain.add("Reshape", [value], [("cells", cells)])
        value = chain.add("Transpose", [value], perm=[2, 4, 1, 0, 3, 5])
        value = chain.add("Reshape", [value], [("places", [rows * columns, channels * phases])])
        value = chain.add("MatMul", [chain.constant("before", before), value])  # (points, C phases)
        value = chain.add("Reshape", [value], [("matrices", [points, channels, phases])])
        value = chain.add("MatMul", [chain.constant("kernels", kernels), value])  # (points, M, phases)
        value = chain.add("Reshape", [value], [("sums", [points, outputs * phases])])
        value = chain.add("MatMul", [chain.constant("after", after), value])  # (rows columns, M phases)
        cells = [rows, columns, outputs, batch, across, along]
        value = chain.add("Reshape", [value], [("apart", cells)])
        value = chain.add("Transpose", [value], perm=[3, 2, 0, 4, 1, 5])
        value = chain.add(
            "Reshape", [value], [("together", [batch, outputs, rows * across, columns * along])]
        )
        if any(beyond):
            value = chain.add("Slice", [value], [("from", [0, 0]), ("to", size), ("axes", [2, 3])])
        if len(node.inputs) > 1 + WEIGHT and (bias := node.inputs[1 + WEIGHT]) is not None:
            assert bias.const_value is not None
            flat = bias.const_value.numpy().reshape(1, outputs, 1, 1)
            value = chain.add("Add", [value, chain.constant("bias", flat)])
        chain.finish(value)


def products(
    weight: NDArray[np.float32], rows: int, columns: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Give what computes a convolution of images of a few rows and columns, padded by 1, as products.

    Args:
        weight: (M, C, 3, 3).
        rows, columns: 1 to `MOST_ROWS`.

    Returns:
        The transformed kernels (points, M, C); what makes points of places, (points, rows columns); and what
        makes places of the products' sums, (rows columns, points).
    """
    down, across = minimal_filtering(rows), minimal_filtering(columns)
    kernels = np.einsum("iy,jx,mcyx->ijmc", down[1], across[1], weight.astype(np.float64))
    return (
        np.ascontiguousarray(kernels.reshape(-1, *weight.shape[:2]), np.float32),
        np.kron(down[2], across[2]).astype(np.float32),
        np.kron(down[0], across[0]).astype(np.float32),
    )


def minimal_filtering(length: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give A^T, G and B^T of a correlation of `length` numbers, padded by a zero on both sides, with 3 taps.

    Returns:
        A^T (length, products), G (products, 3), and B^T (products, length), whose columns for the zeros are
        left out.
    """
    if length == 1:
        return np.ones((1, 1)), np.array([[0.0, 1.0, 0.0]]), np.ones((1, 1))
    if length == PAIR:  # g1 (x0 + x1), which both sums have, and what then is too much or too little
        taps = np.array([[0, 1, 0], [0, -1, 1], [1, -1, 0]], np.float64)
        return np.array([[1, 1, 0], [1, 0, 1.0]]), taps, np.array([[1, 1], [0, 1], [1, 0.0]])
    count = length + TAPS - 1
    interpolation = np.linalg.inv(_powers(count, count)).T
    return _powers(count, length).T, _powers(count, TAPS), interpolation[:, 1:-1]


def _powers(count: int, degree: int) -> NDArray[np.float64]:
    """Give 1, p, p^2, .. of count - 1 points, and of infinity: (count, degree)."""
    powers = np.zeros((count, degree))
    powers[:-1] = np.vander(POINTS[: count - 1], degree, increasing=True)
    powers[-1, -1] = 1.0
    return powers


def _fits(node: ir.Node) -> bool:
    if node.op_type != "Conv" or node.domain or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    image, weight = static_shape(node.inputs[0]), static_shape(node.inputs[WEIGHT])
    dilations = node.attributes.get_ints("dilations", ())
    return (
        image is not None
        and weight is not None
        and weight[2:] == (TAPS, TAPS)
        and len(dilations) == len(weight[2:])
        and node.outputs[0].dtype == FLOAT
        and all(value is None or value.is_initializer() for value in node.inputs[WEIGHT:])
        and node.attributes.get_int("group", 1) == 1
        and set(node.attributes.get_ints("strides", (1,))) == {1}
        and tuple(node.attributes.get_ints("pads", ())) == (*dilations, *dilations)
        and min(dilations) > 1
        and all(side <= MOST_ROWS * dilation for side, dilation in zip(image[2:], dilations, strict=True))
    )
