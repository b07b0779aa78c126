"""Refuse what an ONNX graph must not say of its tensors: data in other files, and huge sizes.

Whoever runs a graph allocates what it declares, and reads the files that it names. Both are looked at here,
on the parsed file, before anything runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.errors import ExportError
from edgeseg.limits import refuse_above

if TYPE_CHECKING:
    import onnx

_SMALL = 1024  # values: shapes and other parameters, which shape inference reads
_ONE_FILE = "a portable model is one file: onnx.save(onnx.load(PATH), NEW_PATH, save_as_external_data=False)"


def refuse_hostile(model: onnx.ModelProto, name: str) -> None:
    """Refuse a graph with data in other files, and one whose tensors are larger than the limits.

    Args:
        name: of the file, for messages.

    Raises:
        ExportError: naming the tensor.
    """
    from onnx import TensorProto

    _refuse_incomplete(model, name)
    held = model.ByteSize()
    declared = 0
    for tensor in tensors_of(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ExportError(
                f"{name} keeps {_named(tensor.name)} in another file (external data); {_ONE_FILE}"
            )
        declared += _bytes_of(tensor.dims, tensor.data_type, f"{name}: {_named(tensor.name)}")
    for sparse in _sparse_tensors(model):
        declared += _bytes_of(sparse.dims, sparse.values.data_type, f"{name}: {_named(sparse.values.name)}")
    refuse_above("bytes", declared - held, f"{name} with all its weights", ExportError)
    for graph in (model.graph, _inferred(model)):
        for value in (*graph.input, *graph.output, *graph.value_info):
            kind = value.type.tensor_type
            sizes = [max(side.dim_value, 1) for side in kind.shape.dim]  # 0: named, or not known
            what = f"{name}: {_named(value.name)}"
            refuse_above("tensor", _bytes_of(sizes, kind.elem_type, what), what, ExportError)


def _refuse_incomplete(model: onnx.ModelProto, name: str) -> None:
    """Refuse nodes without an input that their operator requires: ONNX's inference reads it, and crashes."""
    from onnx import defs

    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    for node in (node for graph in graphs_of(model) for node in graph.node if not node.domain):
        if not defs.has(node.op_type, opset, ""):
            continue
        for index, formal in enumerate(defs.get_schema(node.op_type, opset, "").inputs):
            required = formal.option == defs.OpSchema.FormalParameterOption.Single
            if required and not "".join(node.input[index : index + 1]):
                raise ExportError(
                    f"{name}: a {node.op_type} lacks its input {formal.name}; export the model again"
                )


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Walk all tensors that hold values: weights, constants, and those of loop and branch bodies."""
    for graph in graphs_of(model):
        yield from graph.initializer
    for attribute in _attributes(model):
        yield from attribute.tensors
        if attribute.HasField("t"):
            yield attribute.t
    for sparse in _sparse_tensors(model):
        yield from (sparse.values, sparse.indices)


def _inferred(model: onnx.ModelProto) -> onnx.GraphProto:
    """Find the shapes between layers without copying the weights; none where the graph contradicts itself."""
    from onnx import GraphProto, ModelProto, helper, shape_inference

    bare = ModelProto(ir_version=model.ir_version)
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    graph = bare.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= _SMALL:
            graph.initializer.append(tensor)
        else:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    try:
        return shape_inference.infer_shapes(bare).graph
    except Exception:  # whoever runs the graph says what is wrong with it
        return GraphProto()


def _sparse_tensors(model: onnx.ModelProto) -> Iterator[onnx.SparseTensorProto]:
    for graph in graphs_of(model):
        yield from graph.sparse_initializer
    for attribute in _attributes(model):
        yield from attribute.sparse_tensors
        if attribute.HasField("sparse_tensor"):
            yield attribute.sparse_tensor


def graphs_of(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """Walk a model's graph, and all loop and branch bodies."""
    yield model.graph
    for attribute in _attributes(model):
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def nodes_of(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Walk all nodes, those of functions and of loop and branch bodies included."""
    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting.extend(graph.node)


def _attributes(model: onnx.ModelProto) -> Iterator[onnx.AttributeProto]:
    for node in nodes_of(model):
        yield from node.attribute


def _bytes_of(sizes: Sequence[int], data_type: int, what: str) -> int:
    """Compute what a tensor takes; one of a type that has no size counts as bytes."""
    from onnx import helper

    if any(side < 0 for side in sizes):
        raise ExportError(f"{what} has a negative size; export the model again")
    try:
        width = np.dtype(helper.tensor_dtype_to_np_dtype(data_type)).itemsize
    except (KeyError, TypeError, ValueError):
        width = 1
    return math.prod(sizes) * width


def _named(name: str) -> str:
    return f"the tensor {name[:80]!r}" if name else "a tensor without a name"
