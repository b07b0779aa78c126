"""Count the arithmetic of a node from the shapes of what it multiplies and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

Shape = Sequence[int]

CONVOLUTIONS: Mapping[str, int] = {
    "Conv": 1,
    "ConvInteger": 1,
    "ConvTranspose": 1,
    "DeformConv": 1,
    "FusedConv": 1,
    "NhwcFusedConv": 1,
    "QLinearConv": 3,
}
"""Convolutions of ONNX and of ONNX Runtime; the input that holds their weights."""

PRODUCTS: Mapping[str, int] = {
    "DynamicQuantizeMatMul": 1,
    "FusedGemm": 1,
    "FusedMatMul": 1,
    "Gemm": 1,
    "MatMul": 1,
    "MatMulInteger": 1,
    "MatMulIntegerToFloat": 1,
    "QGemm": 3,
    "QLinearMatMul": 3,
}
"""Products of matrices, likewise."""

COUNTED = CONVOLUTIONS.keys() | PRODUCTS.keys()
UNKNOWN = frozenset(("Attention", "Einsum", "GRU", "LSTM", "MultiHeadAttention", "QAttention", "RNN"))
"""Operators whose arithmetic does not follow from shapes alone."""

_PER_PRODUCT = 2  # a multiplication and an addition
_MATRIX = 2  # axes


def flop_of(operator: str, data: Shape | None, weight: Shape | None, output: Shape | None) -> int | None:
    """Count the multiplications and additions of a convolution or a matrix product, by the direct algorithm.

    Args:
        operator: its type in ONNX or ONNX Runtime.
        data: shape of its first input.
        weight: of a convolution (C_out, C_in / groups, ...), of a transposed one (C_in, C_out / groups, ...).
        output: shape of its first output.

    Returns:
        0 of every operator that is neither. None where a shape that counts is not known, and of operators
        whose arithmetic does not follow from shapes.
    """
    if operator not in COUNTED:
        return None if operator in UNKNOWN else 0
    if operator in PRODUCTS:
        return None if data is None or output is None else _PER_PRODUCT * prod(output) * _inner(data, output)
    values = data if operator == "ConvTranspose" else output
    return None if values is None or weight is None else _PER_PRODUCT * prod(values) * prod(weight[1:])


def _inner(left: Shape, product: Shape) -> int:
    """Give the length of the axis that a product of matrices sums over; the left one may be transposed."""
    if len(left) < _MATRIX or len(product) < _MATRIX or left[-2] == product[-2]:
        return left[-1]
    return left[-2]
