"""What passes require of a graph, and the error where it is not so."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from edgeseg.errors import ExportError


class UnfitGraphError(ExportError, ir.passes.PreconditionError):
    """A graph is not what a pass requires."""


def names_of(graph: ir.Graph) -> set[str]:
    """Name all values of the main graph: inputs, constants, and what its nodes compute."""
    values = (*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs))
    return {value.name for value in values if value.name}


def require_values(model: ir.Model, names: Collection[str], what: str) -> None:
    """Require that the graph has values of these names.

    Args:
        what: they are for, for the message.
    """
    missing = sorted(set(names) - names_of(model.graph))
    if missing:
        raise UnfitGraphError(
            f"{what}: the graph has no value {missing[0]!r}"
            + (f", and {len(missing) - 1} others" if missing[1:] else "")
            + "; plan on the model that is changed"
        )


def require_types(model: ir.Model) -> None:
    """Require that types are known: those of all that convolutions and matrix products give."""
    for node in model.graph:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") and node.outputs[0].dtype is None:
            raise UnfitGraphError(
                f"the type of {node.outputs[0].name!r} is not known; run InferTypes on the model before"
            )
