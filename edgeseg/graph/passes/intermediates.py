"""Make a detector's intermediate values outputs of its graph.

The exporter gives them their names (`edgeseg.intermediates`), so nothing but the graph is needed, and what is
proven is the graph itself.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseg.graph.passes.conditions import UnfitGraphError
from edgeseg.graph.passes.constants import constant
from edgeseg.graph.view import name_of
from edgeseg.intermediates import DETECTIONS, INTERMEDIATES, LEVEL_INTERMEDIATES

COMPARED_SCORE = "heads.probabilities"  # is compared with the score threshold
ANY_SCORE = "any_score"
_THRESHOLD = 1  # the input of a comparison that a score is compared with


class ExposeIntermediates(ir.passes.InPlacePass):
    """Add the intermediate values to the outputs.

    Requires:
        a graph that names its intermediate values, and, for `any_score`, compares the scores once.
    """

    def __init__(self, *, any_score: bool = False) -> None:
        """Lower the score threshold to 0 for `any_score`, so that there is something to decide about."""
        super().__init__()
        self._any_score = any_score

    def requires(self, model: ir.Model) -> None:
        """Check for intermediate values and the threshold."""
        if not intermediate_values(model):
            raise UnfitGraphError("the graph does not name its intermediate values; export the model again")
        if self._any_score and len(compared := _comparisons(model)) != 1:
            raise UnfitGraphError(f"the graph compares scores {len(compared)} times; export the model again")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Add outputs, and change the threshold."""
        model.graph.outputs.extend(intermediate_values(model))
        if self._any_score:
            (comparison,) = _comparisons(model)
            lowest = constant(model.graph, ANY_SCORE, np.array(0, np.float32))
            comparison.replace_input_with(_THRESHOLD, lowest)
        return ir.passes.PassResult(model, True)


def intermediate_values(model: ir.Model) -> list[ir.Value]:
    """List a graph's intermediate values, in its order; detections of a padded graph are its outputs."""
    levels = {f"{kind}." for kind in LEVEL_INTERMEDIATES}
    return [
        value
        for node in model.graph
        for value in node.outputs
        if (name := name_of(value)) in INTERMEDIATES or name[: name.rfind(".") + 1] in levels
    ]


def detection_values(model: ir.Model) -> tuple[str, ...]:
    """Name the values that are a graph's detections, padding included: boxes, scores, class ids."""
    computed = {value.name for node in model.graph for value in node.outputs}
    return DETECTIONS if computed >= set(DETECTIONS) else tuple(name.split(".")[1] for name in DETECTIONS)


def _comparisons(model: ir.Model) -> list[ir.Node]:
    return [
        node
        for node in model.graph
        if node.op_type == "Greater" and name_of(node.inputs[0]) == COMPARED_SCORE
    ]
