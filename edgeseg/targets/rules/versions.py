"""Find version numbers of a file that a library does not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgeseg.targets.findings import Finding
from edgeseg.targets.mending import Mending
from edgeseg.targets.target import Target

if TYPE_CHECKING:
    import onnx

STANDARD = ("", "ai.onnx")  # names of ONNX's own domain


def version_findings(proto: onnx.ModelProto, target: Target, mending: Mending) -> Iterator[Finding]:
    """Compare the opset and the IR version with the highest that the target reads."""
    opset = max((entry.version for entry in proto.opset_import if entry.domain in STANDARD), default=0)
    if target.opset is not None and opset > target.opset.highest:
        why = f"the graph is of opset {opset}; {target.library} reads up to {target.opset.highest}"
        yield mending.of_opset(why, target.opset.highest, target.opset.source)
    if target.ir_version is not None and proto.ir_version > target.ir_version.highest:
        highest = target.ir_version.highest
        why = f"the file is of IR version {proto.ir_version}; {target.library} reads up to {highest}"
        yield mending.of_file("ir_version", why, highest, target.ir_version.source)
