"""Turn a graph and a target into what the target will refuse: which node, from which line, and the mend.

The rules are those that the targets' own parsers apply, as each backend's folder gives them. They are checked
here because a parser stops at the first error, names a node by a number, and knows nothing of the PyTorch
line that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeseg.bundle import MODULE_KEY, SOURCE_KEY
from edgeseg.engines.facts import Facts, GraphRules
from edgeseg.engines.registry import facts_of
from edgeseg.errors import EngineError

if TYPE_CHECKING:
    import onnx

DENSE = "export with --lowering dense"
FIXED = "export with a fixed --size and --batch"
STANDARD = "use standard operators"

OF_THE_ONNX_LOWERING = ("NonMaxSuppression", "NonZero", "RoiAlign")
"""Operators that detectors have in the `onnx` lowering, and not in the `dense` one."""


@dataclass(frozen=True)
class Finding:
    """What a target refuses.

    Attributes:
        node: name of the node or tensor.
        operator: its type; empty for a tensor.
        source: PyTorch file and line that it comes from, and the submodule; empty where unknown.
        problem: what is wrong, and after a semicolon what to do.
    """

    node: str
    operator: str
    source: str
    problem: str

    def __str__(self) -> str:
        """Give one line."""
        place = f" ({self.source})" if self.source else ""
        return f"{self.operator} {self.node}{place}: {self.problem}".lstrip()


def preflight(model: onnx.ModelProto, backend: str) -> list[Finding]:
    """List what the backend will refuse, by the rules that it gives of itself; empty if nothing.

    Args:
        model: with or without inferred shapes.
    """
    facts = facts_of(backend)
    rules, refused = facts.rules, _refused_operators(facts)
    findings = list(_dynamic_shapes(model)) if rules.fixed_shapes else []
    findings += _operators(model, refused, standard_only=rules.standard_operators_only)
    if rules.inputs or rules.outputs:
        findings += _types_refused(model, _types(model), rules)
    return findings


def refuse_unfit(model: onnx.ModelProto, backend: str) -> None:
    """Raise EngineError with the first finding, and the number of others, if there is one."""
    findings = preflight(model, backend)
    if findings:
        more = f"; {len(findings) - 1} more in edgeseg inspect --target {backend}" if findings[1:] else ""
        raise EngineError(f"{backend} will refuse {findings[0]}{more}")


def origin_of(node: onnx.NodeProto) -> str:
    """Say where in PyTorch a node comes from: `models/unet.py:60, down1.maxpool_conv.1`, or nothing."""
    noted = {entry.key: entry.value for entry in node.metadata_props}
    return ", ".join(noted[key] for key in (SOURCE_KEY, MODULE_KEY) if key in noted)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Walk all nodes, those of loop and branch bodies included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _refused_operators(facts: Facts) -> dict[str, str]:
    """Name what a backend refuses of operators, those of a lowering that it does not take included."""
    refused = dict(facts.rules.operators)
    if "onnx" not in facts.lowerings:
        for operator in OF_THE_ONNX_LOWERING:
            refused[operator] = f"{refused.get(operator, 'is of the onnx lowering')}; {DENSE}"
    return refused


def _operators(
    model: onnx.ModelProto, refused: Mapping[str, str], *, standard_only: bool
) -> Iterator[Finding]:
    for node in _nodes(model.graph):
        if node.domain not in ("", "ai.onnx"):
            if standard_only:
                problem = f"is of the domain {node.domain!r}, not of ONNX; {STANDARD}"
                yield Finding(node.name, node.op_type, origin_of(node), problem)
        elif node.op_type in refused:
            yield Finding(node.name, node.op_type, origin_of(node), refused[node.op_type])


def _dynamic_shapes(model: onnx.ModelProto) -> Iterator[Finding]:
    for value in model.graph.input:
        sizes = [d.dim_value or d.dim_param or "?" for d in value.type.tensor_type.shape.dim]
        if not all(isinstance(size, int) for size in sizes):
            shape = "x".join(map(str, sizes))
            yield Finding(value.name, "", "", f"the input's shape {shape} is not fixed; {FIXED}")


def _types_refused(model: onnx.ModelProto, known: Mapping[str, str], rules: GraphRules) -> Iterator[Finding]:
    for node in _nodes(model.graph):
        taken = known.get(node.input[0]) if node.input else None
        for (operator, kind), problem in rules.inputs.items():
            if node.op_type == operator and taken == kind:
                yield Finding(node.name, node.op_type, origin_of(node), problem)
        for name in node.output:
            for kind, mend in rules.outputs.items():
                if known.get(name) == kind:
                    yield Finding(node.name, node.op_type, origin_of(node), f"gives {kind}; {mend}")


def _types(model: onnx.ModelProto) -> dict[str, str]:
    """Name the element type of every tensor that the graph declares, or that shape inference finds."""
    from onnx import TensorProto, shape_inference

    try:
        inferred = shape_inference.infer_shapes(model).graph
    except (
        Exception
    ):  # a graph that contradicts itself, or has names that are no text: what it declares is left
        inferred = model.graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    known = {value.name: value.type.tensor_type.elem_type for value in values}
    known |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
    names = {number: name.lower() for name, number in TensorProto.DataType.items()}
    return {tensor: names.get(number, "undefined") for tensor, number in known.items()}
