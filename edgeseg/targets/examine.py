"""Turn a graph and a target into what will be refused there, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import onnx_ir as ir

from edgeseg.engines import preflight
from edgeseg.errors import ExportError
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import SPEC_KEY
from edgeseg.nodes.work import COUNTED, flop_of
from edgeseg.spec import Precision
from edgeseg.targets.findings import Fault, Finding, Place, TargetReport
from edgeseg.targets.mending import Mending
from edgeseg.targets.quantities import shape_of
from edgeseg.targets.rules.accelerator import accelerator_findings, split
from edgeseg.targets.rules.memory import memory_findings, memory_of
from edgeseg.targets.rules.nodes import CAST, OTHERWISE, operator_fault, parameter_fault, place_of, type_fault
from edgeseg.targets.rules.versions import version_findings
from edgeseg.targets.target import Target, sources_of

BUILDS = "the rules that builds go by"  # of edgeseg itself
KINDS = ("refused", "moved", "noted")


def examine(path: Path | PortableModel, target: Target, precision: Precision | None = None) -> TargetReport:
    """List what a target refuses of any ONNX file.

    Args:
        precision: that the engine is to have; None for the graph as it is.

    Raises:
        ExportError: as `PortableModel.read`, and if the graph is none, or its types cannot be inferred.
    """
    model = PortableModel.read(path)
    spec = model.spec if SPEC_KEY in model.metadata else None
    mending = Mending(Path(model.name), spec, target)
    found = [
        *version_findings(model.proto, target, mending),
        *_precision_findings(precision, target, mending),
    ]
    memory, share = None, None
    try:
        graph = model.model
    except ExportError:
        if not found:  # a version that is refused explains types that cannot be inferred
            raise
    else:
        memory, share = memory_of(graph, precision), _share(graph, target, precision)
        found += _graph_findings(graph, target, precision, mending)
        found += memory_findings(memory, target, mending)
    findings = _merged(found)
    return TargetReport(
        model=model.name,
        target=target.name,
        title=target.title,
        library=target.library,
        proof=target.proof,
        precision=precision,
        memory_bytes=memory,
        accelerated=share,
        refused=sum(max(len(one.places), 1) for one in findings if one.kind == "refused"),
        findings=findings,
        notes=target.notes,
        sources=sources_of(target),
    )


def _precision_findings(precision: Precision | None, target: Target, mending: Mending) -> Iterator[Finding]:
    if precision is not None and precision not in target.precisions:
        allowed = " and ".join(target.precisions)
        why = f"{target.library} computes in {allowed}, not in {precision}"
        command = mending.build(target.precisions[0])
        yield Finding("refused", "precision", why, f"build it in {target.precisions[0]}", BUILDS, command)


def _graph_findings(
    model: ir.Model, target: Target, precision: Precision | None, mending: Mending
) -> Iterator[Finding]:
    refused = set()
    for one in preflight.preflight(model, target.backend):
        refused.add(one.node)
        place = Place(one.node, one.operator, one.module, one.source)
        yield mending.by_fix("refused", _fault(one), one.problem, BUILDS, [place])
    for node in model.graph.all_nodes():
        if node.name not in refused or not node.name:
            yield from _node_findings(node, target)
    if target.accelerator is not None:
        yield from accelerator_findings(model, target.accelerator, precision, mending)


def _fault(finding: preflight.Finding) -> Fault:
    """Say what kind of fault pre-flight has found."""
    if finding.problem.endswith((preflight.DENSE, preflight.ONNX)):
        return "lowering"
    if finding.problem.endswith(preflight.FIXED):
        return "shape"
    return "operator" if finding.operator else "type"


def _node_findings(node: ir.Node, target: Target) -> Iterator[Finding]:
    """Find the first fault of a node: its operator, its type, or a parameter."""
    taker, table = target.library, target.operators
    places = (place_of(node),)
    if table is not None and (why := operator_fault(node, table, taker)):
        yield Finding("refused", "operator", why, OTHERWISE, table.source, None, places)
    elif table is not None and (why := type_fault(node, table, taker)):
        yield Finding("refused", "type", why, CAST, table.source, None, places)
    elif why := parameter_fault(node, target.rules, taker):
        source = next(rule.source for rule in target.rules if node.op_type in rule.operators)
        yield Finding("refused", "parameter", why, "choose it so in the network", source, None, places)


def _share(model: ir.Model, target: Target, precision: Precision | None) -> float | None:
    """Compute which share of the multiplications an accelerator takes; None without one, or without any."""
    if target.accelerator is None:
        return None
    taken = set(split(model, target.accelerator, precision).taken)
    work = {node: _work_of(node) for node in model.graph if node.op_type in COUNTED}
    total = sum(work.values())
    return round(sum(work[node] for node in work if node in taken) / total, 4) if total else None


def _work_of(node: ir.Node) -> int:
    """Count a node's multiplications and additions; 0 where shapes are not known."""
    data, weight, *_ = (*map(shape_of, node.inputs), None, None)
    return flop_of(node.op_type, data, weight, shape_of(node.outputs[0])) or 0


def _merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Put the places of equal findings together; what is refused comes first."""
    found: dict[Finding, list[Place]] = {}
    for one in findings:
        found.setdefault(replace(one, places=()), []).extend(one.places)
    merged = [replace(one, places=tuple(places)) for one, places in found.items()]
    return tuple(sorted(merged, key=lambda one: KINDS.index(one.kind)))
