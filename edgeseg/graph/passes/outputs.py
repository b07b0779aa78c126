"""Drop outputs of a graph, and what only they needed."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir
from onnx_ir.passes import common

from edgeseg.graph.passes.conditions import require_values


class KeepOutputs(ir.passes.InPlacePass):
    """Drop all outputs but some.

    Requires:
        a graph that has the values that are to stay its outputs.

    Ensures:
        those outputs, in the order that they had.
    """

    def __init__(self, names: Collection[str]) -> None:
        """Take the names of the outputs that stay."""
        super().__init__()
        self._names = names

    def requires(self, model: ir.Model) -> None:
        """Check for the outputs."""
        require_values(model, self._names, "outputs to keep")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Drop outputs, then unused nodes and constants."""
        kept = [output for output in model.graph.outputs if output.name in self._names]
        modified = len(kept) < len(model.graph.outputs)
        model.graph.outputs.clear()
        model.graph.outputs.extend(kept)
        unused = common.RemoveUnusedNodesPass()(model)
        return ir.passes.PassResult(model, modified or unused.modified)

    def ensures(self, model: ir.Model) -> None:
        """Check that they are outputs."""
        found = {output.name for output in model.graph.outputs}
        if missing := sorted(set(self._names) - found):
            raise ir.passes.PostconditionError(f"{', '.join(missing)} is no output of the graph")
