"""Find what a target will refuse of a graph: which node, from which line, and the fix.

The rules are those that the targets' own parsers apply, as each backend's folder gives them. They are checked
here because a parser stops at the first error, names a node by a number, and knows nothing of the PyTorch
line that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgeseg.engines.facts import Facts, GraphRules
from edgeseg.engines.registry import cpu_backends, facts_of
from edgeseg.errors import EngineError
from edgeseg.manifest import MODULE_KEY, SOURCE_KEY, SPEC_KEY
from edgeseg.spec import ModelSpec

DENSE = "export with --lowering dense"
ONNX = "export with --lowering onnx"
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
        source: PyTorch file and line that it comes from; empty where unknown.
        module: the submodule of the network that it belongs to, likewise.
        problem: what is wrong, and after a semicolon what to do.
    """

    node: str
    operator: str
    source: str
    module: str
    problem: str

    def __str__(self) -> str:
        """Give one line."""
        origin = ", ".join(filter(None, (self.source, self.module)))
        place = f" ({origin})" if origin else ""
        return f"{self.operator} {self.node}{place}: {self.problem}".lstrip()


def preflight(model: ir.Model, backend: str) -> list[Finding]:
    """List what the backend will refuse, by the rules that it gives of itself; empty if nothing.

    Args:
        model: with its types inferred, as far as they can be.
    """
    facts = facts_of(backend)
    if detector := list(_detector(model, facts)):
        return detector
    rules, refused = facts.rules, _refused_operators(facts)
    findings = list(_dense_lowering(model, facts))
    findings += _dynamic_shapes(model) if rules.fixed_shapes else []
    findings += _unfit_input(model, facts) if rules.single_pictures else []
    findings += _operators(model, refused, standard_only=rules.standard_operators_only)
    findings += _unknown_operators(model, facts) if rules.only else []
    if rules.inputs or rules.outputs:
        findings += _types_refused(model, rules)
    return findings


def refuse_unfit(model: ir.Model, backend: str) -> None:
    """Raise EngineError with the first finding, and the number of others, if there is one."""
    findings = preflight(model, backend)
    if findings:
        more = f"; {len(findings) - 1} more in edgeseg inspect --target {backend}" if findings[1:] else ""
        raise EngineError(f"{backend} will refuse {findings[0]}{more}")


def origin_of(node: ir.Node) -> str:
    """Say where in PyTorch a node comes from: `models/unet.py:60, down1.maxpool_conv.1`, or nothing."""
    noted = node.metadata_props
    return ", ".join(noted[key] for key in (SOURCE_KEY, MODULE_KEY) if key in noted)


def _of_node(node: ir.Node, problem: str) -> Finding:
    noted = node.metadata_props
    return Finding(
        node.name or "", node.op_type, noted.get(SOURCE_KEY, ""), noted.get(MODULE_KEY, ""), problem
    )


def _refused_operators(facts: Facts) -> dict[str, str]:
    """Name what a backend refuses of operators, those of a lowering that it does not take included."""
    refused = dict(facts.rules.operators)
    if facts.lowerings and "onnx" not in facts.lowerings:
        for operator in OF_THE_ONNX_LOWERING:
            refused[operator] = f"{refused.get(operator, 'is of the onnx lowering')}; {DENSE}"
    return refused


def _detector(model: ir.Model, facts: Facts) -> Iterator[Finding]:
    """Find a detector where a backend takes none, by what the export says."""
    spec = _spec_of(model)
    if facts.lowerings or spec is None or spec.task != "instance":
        return
    able = [name for name in cpu_backends() if spec.graph.lowering in facts_of(name).lowerings]
    problem = f"{facts.title} runs semantic networks alone; build it with --backend {' or '.join(able)}"
    yield Finding("the detector", "", "", "", problem)


def _unknown_operators(model: ir.Model, facts: Facts) -> Iterator[Finding]:
    """Find operators that are none of the few that a backend has."""
    for node in model.graph.all_nodes():
        if node.domain or node.op_type not in facts.rules.only:
            yield _of_node(node, f"{facts.title} has no layer for it; build it for another backend")


def _dense_lowering(model: ir.Model, facts: Facts) -> Iterator[Finding]:
    """Find a detector in the dense lowering by what its export says: no operator of it is of it alone."""
    spec = _spec_of(model)
    if not facts.lowerings or "dense" in facts.lowerings or spec is None:
        return
    if spec.task == "instance" and spec.graph.lowering == "dense":
        problem = f"{facts.title} takes it without an error and detects something else; {ONNX}"
        yield Finding("the dense lowering", "", "", "", problem)


def _unfit_input(model: ir.Model, facts: Facts) -> Iterator[Finding]:
    """Find an input of several pictures, or of what no camera gives, by what the export says."""
    spec = _spec_of(model)
    if spec is None:
        return
    taken = spec.input
    if not taken.takes_camera_frames:
        problem = (
            f"{facts.title} is given three channels of uint8, this takes {taken.channels} of {taken.dtype}"
        )
        yield Finding("image", "", "", "", f"{problem}; build it for another backend")
    if taken.batch > 1:
        problem = f"{facts.title} is given one picture at a time, this takes {taken.batch}"
        yield Finding("image", "", "", "", f"{problem}; export with --batch 1")


def _spec_of(model: ir.Model) -> ModelSpec | None:
    text = model.metadata_props.get(SPEC_KEY)
    return None if text is None else ModelSpec.from_json(text)


def _operators(model: ir.Model, refused: Mapping[str, str], *, standard_only: bool) -> Iterator[Finding]:
    for node in model.graph.all_nodes():
        if node.domain:  # ONNX's own is empty here, however the file has it
            if standard_only:
                problem = f"is of the domain {node.domain!r}, not of ONNX; {STANDARD}"
                yield _of_node(node, problem)
        elif node.op_type in refused:
            yield _of_node(node, refused[node.op_type])


def _dynamic_shapes(model: ir.Model) -> Iterator[Finding]:
    for value in model.graph.inputs:
        sizes = [_size(side) for side in value.shape or ()]
        if not all(isinstance(size, int) for size in sizes):
            shape = "x".join(map(str, sizes))
            yield Finding(value.name or "", "", "", "", f"the input's shape {shape} is not fixed; {FIXED}")


def _types_refused(model: ir.Model, rules: GraphRules) -> Iterator[Finding]:
    for node in model.graph.all_nodes():
        taken = _kind(node.inputs[0]) if node.inputs else ""
        for (operator, kind), problem in rules.inputs.items():
            if node.op_type == operator and taken == kind:
                yield _of_node(node, problem)
        for value in node.outputs:
            for kind, fix in rules.outputs.items():
                if _kind(value) == kind:
                    problem = f"gives {kind}; {fix}"
                    yield _of_node(node, problem)


def _size(side: int | ir.SymbolicDim) -> int | str:
    """Give a size, or the file's name for one that is not fixed."""
    return (side if isinstance(side, int) else side.value) or "?"


def _kind(value: ir.Value | None) -> str:
    """Name the type of a tensor's elements as ONNX does, in small letters; nothing where it is not known."""
    return "" if value is None or value.dtype is None else value.dtype.name.lower()
