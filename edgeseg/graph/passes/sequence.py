"""Apply passes one after the other to a copy of a model."""

from __future__ import annotations

import onnx_ir as ir


def changed(model: ir.Model, *passes: ir.passes.InPlacePass) -> ir.passes.PassResult:
    """Change a copy, which shares the weights; the model stays what it is.

    Raises what a pass raises: `UnfitGraphError` where the graph is not what a pass requires.
    """
    result = ir.passes.PassResult(model.clone(), False)
    for step in passes:
        applied = step(result)
        result = ir.passes.PassResult(applied.model, result.modified or applied.modified)
    return result
