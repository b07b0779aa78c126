"""Turn a graph in half precision into the same in float32, in which every weight of it is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeseg.graph.declared import graphs_of, nodes_of, tensors_of

if TYPE_CHECKING:
    import onnx

TYPE_ATTRIBUTES = ("to", "dtype")  # of nodes that say what they give


def is_in_half_precision(proto: onnx.ModelProto) -> bool:
    """Tell whether a graph has weights in float16, or computes them."""
    from onnx import TensorProto

    half = TensorProto.FLOAT16
    return any(tensor.data_type == half for tensor in tensors_of(proto)) or any(
        attribute.name in TYPE_ATTRIBUTES and attribute.i == half
        for node in nodes_of(proto)
        for attribute in node.attribute
    )


def in_float32(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a graph, everything that is float16 in it as float32: weights, casts, its image and its outputs.

    Types and shapes between the nodes are left out; whoever reads the graph infers them.
    """
    from onnx import ModelProto, TensorProto, numpy_helper

    half, single = TensorProto.FLOAT16, TensorProto.FLOAT
    wide = ModelProto()
    wide.CopyFrom(proto)
    for tensor in tensors_of(wide):
        if tensor.data_type == half:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in nodes_of(wide):
        for attribute in node.attribute:
            if attribute.name in TYPE_ATTRIBUTES and attribute.i == half:
                attribute.i = single
    for graph in graphs_of(wide):
        del graph.value_info[:]
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.elem_type == half:
                value.type.tensor_type.elem_type = single
    return wide
