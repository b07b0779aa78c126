"""Read off an ONNX graph what it does to its pixels first: the numbers of a normalisation inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

PASSES_ON = ("Cast", "Identity", "Unsqueeze", "Transpose", "Squeeze", "Reshape")
OF_UNIT = 1.5  # means and deviations of pixels in 0..1 are below it, those of 0..255 far above
ONLY_MEASURE = ("Shape", "Size")  # read no pixels
COLOURS = 3


@dataclass(frozen=True)
class OwnNormalisation:
    """(x - mean) / std, as a graph computes it of its own input.

    Attributes:
        mean, std: one number, or one a channel in the graph's own order.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def of_bytes(self) -> bool:
        """Whether it is of pixels in 0..255, not in 0..1."""
        return max(map(abs, (*self.mean, *self.std))) > OF_UNIT

    @property
    def is_bgr(self) -> bool | None:
        """Whether blue comes first: of natural pictures red has the highest mean; None if nothing tells."""
        if len(self.mean) != COLOURS or len(set(self.mean)) == 1:
            return None
        return self.mean[0] < self.mean[-1]


def own_normalisation(proto: onnx.ModelProto, image: str) -> OwnNormalisation | None:
    """Follow the image through the arithmetic with constants that the graph begins with.

    Args:
        image: name of the input.

    Returns:
        None if the graph begins with anything else.
    """
    constants = _constants(proto)
    scale, shift, name, found = np.ones(1), np.zeros(1), image, False
    while True:
        readers = [
            node for node in proto.graph.node if name in node.input and node.op_type not in ONLY_MEASURE
        ]
        if len(readers) != 1 or not readers[0].output:
            break
        node = readers[0]
        other = next((constants[value] for value in node.input if value in constants), None)
        if node.op_type in PASSES_ON and node.input[0] == name:
            name = node.output[0]
            continue
        if other is None or other.size not in (1, COLOURS):
            break
        value = other.astype(np.float64).ravel()
        is_first = node.input[0] == name
        if node.op_type == "Sub" and is_first:
            shift = shift - value
        elif node.op_type == "Add":
            shift = shift + value
        elif node.op_type == "Mul":
            scale, shift = scale * value, shift * value
        elif node.op_type == "Div" and is_first and np.all(value != 0):
            scale, shift = scale / value, shift / value
        else:
            break
        found, name = True, node.output[0]
    if not found or not (np.isfinite(scale).all() and np.isfinite(shift).all()) or not np.all(scale > 0):
        return None
    scale, shift = np.broadcast_arrays(scale, shift)
    return OwnNormalisation(tuple((-shift / scale).tolist()), tuple((1.0 / scale).tolist()))


def _constants(proto: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    """Give the constants that may be means or deviations: a few numbers."""
    from onnx import numpy_helper

    small = [tensor for tensor in proto.graph.initializer if 0 < np.prod(tensor.dims) <= COLOURS]
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in small}
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            value = node.attribute[0].t
            if 0 < np.prod(value.dims) <= COLOURS:
                found[node.output[0]] = numpy_helper.to_array(value)
    return found
