"""Masks of chosen classes before their pixels are in order: the same numbers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeseg.graph.passes.class_masks import ClassMasks
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.types import InferTypes
from tests.graph.passes.convolutions import ROUNDING, largest_difference


def predictor(
    objects: str | int = 3, attributes: str = "strides = [2, 2]", kernel: int = 2, last: str = "bmm"
) -> ir.Model:
    """Make a mask predictor for maps (N, 4, 5, 3), of random weights, by classes."""
    random = np.random.default_rng(0)
    constants = {
        "weight": random.standard_normal((3, 6, kernel, kernel)).astype(np.float32),
        "bias": random.standard_normal(6).astype(np.float32),
        "classes": random.standard_normal((256, 1, 6)).astype(np.float32),
        "flat": np.array([0, 6, 80]),
    }
    text = f"""
    <ir_version: 9, opset_import: ["" : 18]>
    graph (
        uint8[{objects}, 4, 5, 3] image, float[3, 6, {kernel}, {kernel}] weight, float[6] bias,
        float[256, 1, 6] classes, int64[3] flat
    ) => (float[N, 1, P] logits) {{
        pixels = Cast<to = 1>(image)
        planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
        axes = Constant<value_ints = [1, 2, 3]>()
        starts = Constant<value_ints = [0, 0, 0]>()
        ends = Constant<value_ints = [1, 1, 1]>()
        corner = Slice(image, starts, ends, axes)
        ids = Cast<to = 7>(corner)
        shape = Constant<value_ints = [-1]>()
        flat_ids = Reshape(ids, shape)
        row = Gather<axis = 0>(classes, flat_ids)
        larger = ConvTranspose<{attributes}>(planes, weight, bias)
        seen = Relu(larger)
        spread = Reshape(seen, flat)
        bmm = MatMul(row, spread)
        logits = Add({last}, bmm)
    }}
    """
    model = ir.from_onnx_text(text, [ir.tensor(array, name=name) for name, array in constants.items()])
    for _ in constants:
        model.graph.inputs.pop()  # declared for the parser, constants now
    return InferTypes()(model).model


@pytest.mark.parametrize("objects", [1, 3])
def test_gives_the_same_numbers(objects: int) -> None:
    model = predictor(objects)
    result = changed(model, ClassMasks(), InferTypes())
    assert result.modified
    assert "ConvTranspose" not in {node.op_type for node in result.model.graph}
    assert largest_difference(model, result.model) < ROUNDING


@pytest.mark.parametrize("count", [0, 5])
def test_the_number_of_objects_may_change_from_image_to_image(count: int) -> None:
    model = predictor("N")
    result = changed(model, ClassMasks(), InferTypes()).model
    for one in (model, result):
        one.graph.inputs[0].shape = ir.Shape((count, 4, 5, 3))
    assert largest_difference(model, result) < ROUNDING


@pytest.mark.parametrize(
    "model",
    [
        predictor(attributes="strides = [2, 2], pads = [1, 1, 1, 1]", kernel=4),
        predictor(last="spread"),
    ],
    ids=["kernels that overlap", "pixels that others read"],
)
def test_leaves_other_upsamplings_alone(model: ir.Model) -> None:
    assert not ClassMasks().sites(model)
    assert not changed(model, ClassMasks()).modified
