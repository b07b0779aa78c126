"""Convert ONNX's own messages to graphs and back, at the borders: files, engines, and ONNX's own checks."""

from __future__ import annotations

import logging

import onnx
import onnx_ir as ir

from edgeseg.errors import ExportError
from edgeseg.graph.view import subgraphs
from edgeseg.reading import reason_of

logging.getLogger("onnx_ir").addHandler(logging.NullHandler())  # what it warns of on stderr is refused below

_SMALL = 64  # values of a constant that is no weight


def from_proto(proto: onnx.ModelProto, name: str) -> ir.Model:
    """Read a message; its weights are shared, not copied.

    Args:
        name: of the model, for messages.

    Raises:
        ExportError: if the graph is none, since it computes a tensor twice, or too late, for instance.
    """
    try:
        model = ir.from_proto(proto)
        _check_order(model.graph, frozenset())
        return model
    except Exception as error:  # whatever the library makes of messages that happen to parse
        reason = reason_of(error.__cause__ or error)  # the library wraps errors in where it was
        raise ExportError(f"{name} holds no graph ({reason}); export the model again") from error


def _check_order(graph: ir.Graph, outer: frozenset[ir.Value]) -> None:
    """Raise ValueError if something is read that nothing before it computes, here or in subgraphs."""
    known = {*outer, *graph.inputs, *graph.initializers.values()}
    for node in graph:
        for value in node.inputs:
            if value is not None and value not in known:
                raise ValueError(f"{node.op_type} reads {value.name!r}, which nothing before it computes")
        for inner in subgraphs(node):
            _check_order(inner, frozenset(known))
        known.update(node.outputs)
    for value in graph.outputs:
        if value not in known:
            raise ValueError(f"nothing computes the output {value.name!r}")


def to_proto(model: ir.Model) -> onnx.ModelProto:
    """Give a message of a model.

    Types and shapes between the nodes are left out: whoever reads the graph infers them.
    """
    proto: onnx.ModelProto = ir.to_proto(model)
    del proto.graph.value_info[:]
    return proto


def to_bytes(model: ir.Model) -> bytes:
    """Give the content of a model's `.onnx` file; equal models give equal bytes."""
    block: bytes = to_proto(model).SerializeToString(deterministic=True)
    return block


def check(model: ir.Model) -> None:
    """Raise what ONNX's checker raises if the graph is none, or if its types contradict each other."""
    onnx.checker.check_model(to_proto(model), full_check=True)


def without_weights(model: ir.Model) -> onnx.ModelProto:
    """Give a model's message with its float32 weights as inputs: shape inference would copy them about.

    Small constants stay, for a shape may follow from them: the scales of a Resize.
    """
    bare = model.clone()
    constants = bare.graph.initializers
    for name, value in list(constants.items()):
        small = value.const_value is not None and value.const_value.size <= _SMALL
        if value.dtype == ir.DataType.FLOAT and not small:
            del constants[name]
            if not value.is_graph_input():
                bare.graph.inputs.append(value)
    return to_proto(bare)
