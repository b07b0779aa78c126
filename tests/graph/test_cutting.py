"""Places cut out of a graph: models of their own that compute the same operators on the same shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeseg.graph.cutting import CORNER, SIDE, cut_out
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import open_run

GRAPH = """
<ir_version: 9, opset_import: ["" : 18]>
graph (uint8[1, 8, 8, 3] image, float[8, 3, 3, 3] first, float[8, 8, 3, 3] second, float[8, 8, 3, 3] third)
    => (float[1, 8, 8, 8] logits) {
    pixels = Cast<to = 1>(image)
    planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
    a = Conv<pads = [1, 1, 1, 1]>(planes, first)
    b = Conv<pads = [1, 1, 1, 1]>(a, second)
    c = Conv<pads = [1, 1, 1, 1]>(b, third)
    logits = Add(b, c)
}
"""


@pytest.fixture
def model() -> ir.Model:
    random = np.random.default_rng(0)
    shapes = {"first": (8, 3, 3, 3), "second": (8, 8, 3, 3), "third": (8, 8, 3, 3)}
    weights = [ir.tensor(random.random(shape, np.float32), name=name) for name, shape in shapes.items()]
    model = ir.from_onnx_text(GRAPH, weights)
    for _ in weights:
        model.graph.inputs.pop()
    return InferTypes()(model).model


def nodes_of(model: ir.Model, *names: str) -> list[ir.Node]:
    return [node for node in model.graph if node.outputs[0].name in names]


def test_a_place_runs_alone_on_the_shapes_that_it_has(model: ir.Model) -> None:
    cut = cut_out(model, nodes_of(model, "b", "c"))
    assert cut is not None
    convolutions = [node for node in cut.graph if node.op_type == "Conv"]
    assert [tuple(node.outputs[0].shape or ()) for node in convolutions] == [(1, 8, 8, 8)] * 2
    image = np.full((1, SIDE, SIDE, 3), 7, np.uint8)
    assert open_run(to_bytes(cut))(image)["logits"].shape == CORNER


def test_equal_places_give_equal_models_whatever_their_weights(model: ir.Model) -> None:
    second, third, first = (cut_out(model, nodes_of(model, name)) for name in ("b", "c", "a"))
    assert second is not None
    assert third is not None
    assert first is not None
    assert to_bytes(second) == to_bytes(third)
    assert to_bytes(second) != to_bytes(first)


def test_what_has_no_fixed_size_is_not_cut_out(model: ir.Model) -> None:
    loose = changed(model).model
    (node,) = nodes_of(loose, "b")
    node.inputs[0].shape = ir.Shape((1, 8, "rows", 8))  # type: ignore[union-attr]
    assert cut_out(loose, [node]) is None


def test_what_reads_whole_numbers_is_not_cut_out(model: ir.Model, tmp_path: Path) -> None:
    assert cut_out(model, nodes_of(model, "pixels")) is None
