"""Turn a convolution of concatenated maps into a sum of convolutions, one of each map.

W * [a, b] = W_a * a + W_b * b, where W_a are the weights of a's channels. The concatenated map is never
written, and where the library adds while it convolves, neither are the sums. What repeats one vector
everywhere, as the image pooling of DeepLab does, is convolved before it is repeated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from edgeseg.graph.passes.chain import Chain
from edgeseg.graph.passes.constants import constant
from edgeseg.graph.passes.speed import Site, SpeedPass, static_shape
from edgeseg.graph.view import FLOAT, WEIGHT, name_of

_BIAS = 2  # the input of a convolution
_CHANNELS = 1  # axis
_PLANE = 2  # axes of an image


class SplitConcats(SpeedPass):
    """Convolve what is concatenated part by part, and add.

    Requires:
        types that are known. Only convolutions of two dimensions in float32 and of one group are changed,
        with constant weights, of a concatenation along the channels that nobody else reads.
    """

    title = "concatenations as sums"

    def sites(self, model: ir.Model) -> list[Site]:
        """List the convolutions, each with its concatenation."""
        found = []
        for node in model.graph:
            concat = _concat_of(node)
            if concat is not None:
                found.append(Site(name_of(node.outputs[0]), (*_repeats(concat, node), concat, node)))
        return found

    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Put the sum in the place of one convolution."""
        *repeats, concat, conv = site.nodes
        weight, shape = conv.inputs[WEIGHT], static_shape(conv.outputs[0])
        assert weight is not None
        assert weight.const_value is not None
        assert shape is not None
        weights = weight.const_value.numpy()
        chain = Chain(graph, conv, f"{site.name}.part")
        bias = list(conv.inputs[_BIAS:])
        total, begin = None, 0
        for index, part in enumerate(concat.inputs):
            channels = (static_shape(part) or ())[_CHANNELS]
            own = np.ascontiguousarray(weights[:, begin : begin + channels])
            begin += channels
            vector = _vector(part, conv)
            inputs = [vector or part, constant(graph, f"{site.name}.weight{index}", own), *bias]
            bias = []
            value = chain.add("Conv", inputs, **_attributes(conv))
            if vector is not None:
                value = chain.add("Expand", [value], [("shape", shape)])
            total = value if total is None else chain.add("Add", [value, total])
        assert total is not None
        chain.finish(total)
        graph.remove([concat, *repeats], safe=True)


def _concat_of(conv: ir.Node) -> ir.Node | None:
    """Give the concatenation that a convolution alone reads, if it can be split."""
    if conv.op_type != "Conv" or conv.domain or conv.attributes.get_int("group", 1) != 1:
        return None
    joined, weight = conv.inputs[0], conv.inputs[WEIGHT]
    concat = None if joined is None else joined.producer()
    if joined is None or concat is None or concat.op_type != "Concat" or weight is None:
        return None
    is_alone = len(joined.uses()) == 1 and not joined.is_graph_output()
    shapes = [static_shape(value) for value in (*concat.inputs, conv.outputs[0])]
    fits = (
        is_alone
        and conv.outputs[0].dtype == FLOAT
        and weight.const_value is not None
        and concat.attributes.get_int("axis", 0) == _CHANNELS
        and all(shape is not None and len(shape) == 2 + _PLANE for shape in shapes)
    )
    return concat if fits else None


def _repeats(concat: ir.Node, conv: ir.Node) -> list[ir.Node]:
    """List what repeats vectors for the concatenation alone."""
    parts = [part for part in dict.fromkeys(concat.inputs) if part is not None and len(part.uses()) == 1]
    producers = [part.producer() for part in parts if _vector(part, conv) is not None]
    return [node for node in producers if node is not None and not node.outputs[0].is_graph_output()]


def _vector(part: ir.Value | None, conv: ir.Node) -> ir.Value | None:
    """Give the vector (N, C, 1, 1) that a part repeats, if the convolution treats all its pixels alike."""
    node = None if part is None else part.producer()
    if node is None or node.op_type != "Expand":
        return None
    kernel, vector = static_shape(conv.inputs[WEIGHT]), static_shape(node.inputs[0])
    sees_borders = any(conv.attributes.get_ints("pads", ())) or "auto_pad" in conv.attributes
    if sees_borders or kernel is None or vector is None or set(kernel[_PLANE:]) != {1}:
        return None
    return node.inputs[0] if len(vector) == 2 + _PLANE and vector[_PLANE:] == (1, 1) else None


def _attributes(node: ir.Node) -> dict[str, Any]:
    return {name: attribute.value for name, attribute in node.attributes.items()}
