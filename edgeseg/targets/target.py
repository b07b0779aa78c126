"""What is known of a target: numbers, operators and devices, each with who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgeseg.engines.registry import facts_of
from edgeseg.spec import Precision
from edgeseg.targets.operator_table import OperatorTable

Quantity = Literal[
    "batch",
    "kernel",
    "stride",
    "padding",
    "dilation",
    "groups",
    "output channels",
    "axis from the last",
    "size along the axis",
    "scale",
    "k",
]
"""Numbers of a node that targets bound; `quantities` computes them."""


@dataclass(frozen=True)
class Limit:
    """The highest number that is taken, and who says so."""

    highest: int
    source: str


@dataclass(frozen=True)
class Between:
    """A number of an operator must lie between two others, ends included.

    Attributes:
        when: values of attributes for which that holds; by default always.
    """

    operators: tuple[str, ...]
    quantity: Quantity
    low: int
    high: int
    source: str
    when: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class OneOf:
    """An attribute of an operator must have one of these values; without it ONNX's default is meant.

    Attributes:
        values: as text.
        default: ONNX's, as text.
        when: as in `Between`.
    """

    operators: tuple[str, ...]
    attribute: str
    values: tuple[str, ...]
    default: str
    source: str
    when: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ConstantInput:
    """An input of an operator must be a constant."""

    operators: tuple[str, ...]
    index: int
    source: str


Rule = Between | OneOf | ConstantInput


@dataclass(frozen=True)
class Device:
    """A device of a target, and its memory, which its processor and its accelerators share."""

    name: str
    memory_gb: float


@dataclass(frozen=True)
class Accelerator:
    """A part of a device that takes some nodes of a graph; the GPU takes the others.

    Attributes:
        name: its makers'.
        types: that it computes in, in ONNX's words.
        side: longest side of a tensor but the first.
        batch: highest first side.
        parts: into how many pieces, each in one go, a graph may fall.
        command: flags of `edgeseg build` that ask for it.
        types_source: who says the types.
    """

    name: str
    operators: OperatorTable
    types: tuple[str, ...]
    types_source: str
    rules: tuple[Rule, ...]
    side: Limit
    batch: Limit
    parts: Limit
    command: str


@dataclass(frozen=True)
class Target:
    """A library in a version, or a device with the libraries it comes with.

    Attributes:
        name: as `--target` takes it.
        title: for people.
        backend: that builds engines for it; what the backend refuses whatever its version, this refuses, too.
        library: with its version.
        library_source: who says that a device has it; "" of a library by itself.
        proof: what the table was checked by; whether it was on the hardware.
        opset, ir_version: None where no version is refused for its number.
        operators: None where all are taken that the backend takes.
        rules: about single operators.
        accelerator: that all of the network is meant for.
        devices: None in them has more memory than the last.
        precisions: of engines.
        notes: what a user must know, whatever the graph.
    """

    name: str
    title: str
    backend: str
    library: str
    proof: str
    library_source: str = ""
    opset: Limit | None = None
    ir_version: Limit | None = None
    operators: OperatorTable | None = None
    rules: tuple[Rule, ...] = ()
    accelerator: Accelerator | None = None
    devices: tuple[Device, ...] = ()
    devices_source: str = ""
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    notes: tuple[str, ...] = ()


def target_of_backend(backend: str) -> Target:
    """Describe a backend in whatever version: by what it says of itself alone."""
    facts = facts_of(backend)
    return Target(
        name=backend,
        title=f"{facts.title}, whatever its version",
        backend=backend,
        library=facts.title,
        proof="the rules that builds go by",
        precisions=facts.precisions,
    )


def sources_of(target: Target) -> Mapping[str, str]:
    """List the sources of a target by what they are about."""
    found = {
        "library": target.library_source,
        "opset": target.opset and target.opset.source,
        "IR version": target.ir_version and target.ir_version.source,
        "operators": target.operators and target.operators.source,
        "parameters": "; ".join(dict.fromkeys(rule.source for rule in target.rules)),
        "memory": target.devices_source,
    }
    if target.accelerator is not None:
        part = target.accelerator
        found |= {
            f"operators of the {part.name}": part.operators.source,
            f"types of the {part.name}": part.types_source,
            f"parameters of the {part.name}": "; ".join(dict.fromkeys(rule.source for rule in part.rules)),
            f"sizes of the {part.name}": part.side.source,
        }
    return {about: source for about, source in found.items() if source}
