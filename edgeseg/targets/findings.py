"""What a target refuses of a graph, as a record: what, where, why, and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgeseg.errors import one_line
from edgeseg.records import Range, Ranged

REPORT_VERSION = 1
_MOST = 2**62
_SHOWN = 3  # places that a line names

Kind = Literal["refused", "moved", "noted"]
"""Refused: the target does not take it. Moved: another part of the device does. Noted: it may matter."""

Fault = Literal[
    "lowering", "shape", "opset", "ir_version", "operator", "type", "parameter", "precision", "memory"
]


@dataclass(frozen=True)
class Place:
    """A node that a finding is about.

    Attributes:
        node: its name, or that of a tensor; "" where it has none.
        operator: its type; "" of a tensor.
        module: of the PyTorch network that it comes from; "" where the graph does not say.
        source: file and line of the PyTorch code, likewise.
    """

    node: str
    operator: str = ""
    module: str = ""
    source: str = ""

    def __str__(self) -> str:
        """Give the operator, the name and, in brackets, where in PyTorch it comes from."""
        origin = ", ".join(filter(None, (self.source, self.module)))
        return " ".join(filter(None, (self.operator, self.node, f"({origin})" if origin else "")))


@dataclass(frozen=True)
class Finding:
    """One fault, of all nodes that have it.

    Attributes:
        kind: what the target does about it.
        fault: what it is a fault of.
        why: what the target does not take.
        mend: what to do; "" where nothing can be.
        command: of edgeseg that does it; None where there is none.
        source: the document or the program that says so.
        places: where; none where it is the graph as a whole.
    """

    kind: Kind
    fault: Fault
    why: str
    mend: str
    source: str
    command: str | None = None
    places: tuple[Place, ...] = ()

    def __str__(self) -> str:
        """Give one line, without the command."""
        more = len(self.places) - _SHOWN
        shown = ", ".join(map(str, self.places[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
        return one_line("; ".join(filter(None, (": ".join(filter(None, (shown, self.why))), self.mend))))


@dataclass(frozen=True)
class TargetReport(Ranged):
    """What `edgeseg inspect MODEL --target TARGET --json` prints.

    Attributes:
        model: the file.
        target, title, library: as its table has them.
        proof: what that table was checked by.
        precision: of the engine that is meant; None for the graph as it is.
        memory_bytes: that weights and tensors take at least; None where shapes are not known.
        accelerated: share of the multiplications that the target's accelerator takes, 0..1; None without one.
        refused: how many nodes, or facts about the whole graph, are refused.
        findings: those that are refused come first.
        sources: who says the numbers, by what they are about.
    """

    model: str
    target: str
    title: str
    library: str
    proof: str
    precision: str | None
    memory_bytes: Annotated[int, Range(0, _MOST)] | None
    accelerated: Annotated[float, Range(0, 1)] | None
    refused: Annotated[int, Range(0, _MOST)]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    schema_version: Annotated[int, Range(REPORT_VERSION, REPORT_VERSION)] = REPORT_VERSION
