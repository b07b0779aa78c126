"""Compute 3x3 convolutions of a dilation near the map's size with fewer products.

A convolution of dilation d reads rows y, y + d, y + 2d, ..: those of one remainder of y by d, a phase. Where
d is a fair part of the height, a phase has few rows (6, 3 and 2 of 64 at the rates 12, 24 and 36 of DeepLab's
pyramid), and zeros lie around them. Along one axis the n rows of a phase and the 3 taps g give n sums, for
which n + 2 products suffice (3 for n = 2): A^T [(G g) * (B^T x)], by the algorithms of Cook and Toom as in
Lavin and Gray 2016. Rows and columns do so one after the other, and each product is one of matrices, which
sums over channels.

Phases of as many rows and columns are computed together, see `pixel_products.py`. Where the lengths that
occur would take too many transformed kernels, all phases are filled up to the longest.

Of 9 multiplications an output and channel, 2.1 to 2.6 are left; the transformed kernels take 1.8 to 7.1 times
the memory at those rates; values differ from those of the plain convolution by some 1e-6 to 1e-5 of the
largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.pixel_products import LEAST_OPSET, TileProducts, convolve_by, numbered
from edgeseg.graph.passes.speed import Site, SpeedPass, static_shape
from edgeseg.graph.view import FLOAT, WEIGHT, name_of

TAPS, PAIR = 3, 2
MOST_ROWS = 6  # of a phase: more need points that cost accuracy
MOST_KERNELS = 64  # transformed ones, 7.1 times the memory of 9 taps
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
        assert weight is not None
        assert weight.const_value is not None
        height, width = (static_shape(image) or ())[2:]
        dilations = node.attributes.get_ints("dilations", ())
        kernel = weight.const_value.numpy()
        tiles = []
        for rows, columns in _phases((height, width), dilations):
            pixels = numbered(rows, columns, (height, width))
            kernels, before, after = products(kernel, len(rows), len(columns))
            tiles.append(TileProducts(pixels, before, kernels, after, pixels))
        convolve_by(graph, node, f"{site.name}.wide", (height, width), tiles)


def _phases(
    size_hw: tuple[int, int], dilations: Sequence[int]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Part a map into phases, those of a length together; filled up to one length if those are too many.

    Returns:
        Rows (length, phases) and columns (length, phases) of each combination.
    """
    axes = [_lines(size, dilation) for size, dilation in zip(size_hw, dilations, strict=True)]
    down, across = (sum(len(minimal_filtering(len(lines))[1]) for lines in axis) for axis in axes)
    if down * across > MOST_KERNELS:
        axes = [
            [np.arange(dilation * -(-size // dilation)).reshape(-1, dilation)]
            for size, dilation in zip(size_hw, dilations, strict=True)
        ]
    return [(rows, columns) for rows, columns in product(*axes)]


def _lines(size: int, dilation: int) -> list[NDArray[np.int64]]:
    """Give the places of one axis by length: (length, phases), first the longer ones."""
    length, longer = -(-size // dilation), size % dilation or dilation
    places = np.arange(length * dilation).reshape(length, dilation)
    shorter = places[:-1, longer:]
    return [places[:, :longer], shorter] if shorter.size else [places[:, :longer]]


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
