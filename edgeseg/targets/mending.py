"""Say how a fault is mended: in words, and by the command of edgeseg that does it, where there is one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.engines.preflight import DENSE, FIXED, ONNX
from edgeseg.spec import ModelSpec, Precision
from edgeseg.targets.findings import Fault, Finding, Kind, Place
from edgeseg.targets.target import Target


@dataclass(frozen=True)
class Mending:
    """What commands are made of: the file, what it says of its network, and the target.

    Attributes:
        spec: None of a graph that edgeseg did not make.
    """

    path: Path
    spec: ModelSpec | None
    target: Target

    def build(self, precision: Precision, *, on_gpu: bool = False) -> str:
        """Give the command that builds for the target: for its accelerator, if it has one."""
        flags = self.target.accelerator.command if self.target.accelerator and not on_gpu else ""
        words = ["edgeseg", "build", str(self.path), "--backend", self.target.backend, *flags.split()]
        return shlex.join([*words, "--precision", precision, "-o", f"{self.path.stem}-{precision}"])

    def export(self, lowering: str) -> str | None:
        """Give the command that exports the network again, for another lowering; None of others' graphs."""
        if self.spec is None:
            return None
        size = f"{self.spec.input.height}x{self.spec.input.width}"
        words = ["edgeseg", "export", self.spec.source.network, "--weights", "WEIGHTS", "--size", size]
        return shlex.join([*words, "--lowering", lowering, "-o", f"{self.path.stem}-{lowering}.onnx"])

    def of_ready(self, size: str = "") -> str:
        """Give the command that makes a portable model of a graph of others."""
        flags = ["--size", size] if size else []
        output = f"{self.path.stem}-edgeseg.onnx"
        return shlex.join(["edgeseg", "export", str(self.path), *flags, "-o", output])

    def by_fix(self, kind: Kind, fault: Fault, problem: str, source: str, places: Sequence[Place]) -> Finding:
        """Make a finding of a problem as pre-flight words it: the fix stands after a semicolon."""
        why, _, mend = problem.rpartition("; ")
        commands = {
            DENSE: self.export("dense"),
            ONNX: self.export("onnx"),
            FIXED: self.of_ready("HEIGHTxWIDTH") if self.spec is None else None,
        }
        return Finding(kind, fault, why, mend, source, commands.get(mend), tuple(places))

    def of_opset(self, why: str, opset: int, source: str) -> Finding:
        """Make a finding about a file's opset, which ONNX's converter may lower in graphs of others.

        One of edgeseg's is not converted: its proof is that of the graph as it is.
        """
        mend = f"export it at opset {opset} or lower where it comes from"
        if self.spec is not None:
            return Finding("refused", "opset", why, f"{mend}, then once more with edgeseg", source)
        given, made = str(self.path), f"{self.path.stem}-opset{opset}.onnx"
        code = (
            "import onnx; from onnx.version_converter import convert_version as convert; "
            f"onnx.save(convert(onnx.load({given!r}), {opset}), {made!r})"
        )
        command = shlex.join(["python", "-c", code])
        return Finding("refused", "opset", why, f"{mend}, or let ONNX convert it", source, command)

    def of_file(self, fault: Fault, why: str, version: int, source: str) -> Finding:
        """Make a finding about a file's IR version, which can be written lower: nothing else changes."""
        name = str(self.path)
        code = f"import onnx; m = onnx.load({name!r}); m.ir_version = {version}; onnx.save(m, {name!r})"
        mend = f"write it as {version}, which changes nothing else"
        return Finding("refused", fault, why, mend, source, shlex.join(["python", "-c", code]))
