"""Modules that a model names stay float32 in every precision, whatever they are."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from edgeseg.graph.precision.half import half_candidates, half_layers, to_half
from edgeseg.graph.precision.quantise import plan, quantise
from edgeseg.graph.view import GraphView
from edgeseg.manifest import MODULE_KEY
from edgeseg.spec import Int8Scheme
from tests.graph import small_graphs as graphs


def named() -> ir.Model:
    """Make the residual block; its second half belongs to the module `precise.tail`."""
    model = graphs.residual()
    for node in model.graph:
        late = node.outputs[0].name in ("sum", "sum_relu", "logits", "scores")
        node.metadata_props[MODULE_KEY] = "precise.tail" if late else "precise_not"
    return model


@pytest.mark.parametrize("module", ["precise", "precise.tail"])
def test_a_module_and_all_below_it_stay_float32(module: str) -> None:
    view = GraphView(named(), (module,))
    assert [layer.weight for layer in view.layers()] == ["w_first", "w_second"]
    half, kept, operators = to_half(view, dict.fromkeys(half_candidates(view), 1.0))
    assert half_layers(view, kept) == {"w_first", "w_second"}
    assert half.model.graph.initializers["w_head"].dtype == ir.DataType.FLOAT
    (entry,) = (entry for entry in operators if "must stay float32" in entry.reason)
    assert entry.name == "1 Add, 1 Conv, 1 Relu, 1 Softmax"


@pytest.mark.parametrize("scheme", ["symmetric", "unsigned", "unsigned_io"])
def test_nothing_in_it_reads_int8(scheme: Int8Scheme) -> None:
    view = GraphView(named(), ("precise",))
    thresholds = dict.fromkeys(plan(view, scheme).source, 1.0)
    made = quantise(view, thresholds, scheme).model
    by_output = {node.outputs[0].name: node for node in made.graph}
    assert graphs.inputs(by_output["logits"]) == ["sum_relu", "w_head"]


def test_other_modules_do_not() -> None:
    layers = ["w_first", "w_second", "w_head"]
    for modules in ((), ("precise.ta",), ("tail",)):
        assert [layer.weight for layer in GraphView(named(), modules).layers()] == layers
