"""Bring an ONNX graph to one size of its image, and to another version of ONNX's operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeseg.errors import ExportError
from edgeseg.graph.order import sort_nodes
from edgeseg.graph.ready_model import STANDARD, opset_of
from edgeseg.reading import reason_of

if TYPE_CHECKING:
    import onnx

OLDEST = 7  # opset; ONNX's converter starts here, and so do the exporters that people used


def with_fixed_input(proto: onnx.ModelProto, name: str, shape: Sequence[int]) -> onnx.ModelProto:
    """Copy a graph for one shape of its image; its functions are inlined, its default inputs constants.

    Types and shapes between the nodes are left out: they hold for other sizes. Nodes are sorted.

    Args:
        name: of the image.
    """
    from onnx import ModelProto, inliner

    fixed = ModelProto()
    fixed.CopyFrom(inliner.inline_local_functions(proto) if proto.functions else proto)
    graph = fixed.graph
    sort_nodes(graph)
    image = next(value for value in graph.input if value.name == name)
    del graph.input[:]
    graph.input.append(image)
    sides = graph.input[0].type.tensor_type.shape.dim
    for side, size in zip(sides, shape, strict=True):
        side.Clear()
        side.dim_value = size
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    fixed.ir_version = max(fixed.ir_version, 4)  # from which on constants are no inputs
    return fixed


def with_opset(proto: onnx.ModelProto, opset: int, name: str) -> onnx.ModelProto:
    """Convert a graph to another version of ONNX's operators by ONNX's own converter.

    Args:
        name: of the graph, for messages.

    Raises:
        ExportError: if it is older than the converter knows, or the converter cannot convert an operator.
    """
    from onnx import version_converter

    found = opset_of(proto)
    if found == opset:
        return proto
    again = f"export it again with opset {opset}"
    if found < OLDEST:
        raise ExportError(f"{name} is of opset {found}, edgeseg reads {OLDEST} and later: {again}")
    try:
        return version_converter.convert_version(proto, opset)
    except Exception as error:  # the converter raises classes of its own without a common base
        raise ExportError(
            f"ONNX's converter cannot bring {name} from opset {found} to {opset} ({reason_of(error)}); "
            f"{again}"
        ) from error


def used_domains(proto: onnx.ModelProto) -> list[str]:
    """List the domains of operators that a graph imports, ONNX's own apart."""
    return [entry.domain for entry in proto.opset_import if entry.domain not in STANDARD]
