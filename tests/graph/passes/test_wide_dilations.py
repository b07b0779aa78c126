"""Wide dilations by fewer products: the same numbers, for every size, dilation and batch it takes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.passes.wide_dilations import MOST_ROWS, WideDilations, minimal_filtering
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import open_run

ROUNDING = 2e-5  # of the largest value: float32, with the points 2 and 1/2 in their fifth power


def wide(
    size_hw: tuple[int, int],
    dilations: tuple[int, int],
    *,
    batch: int = 1,
    pads: tuple[int, int, int, int] | None = None,
    group: int = 1,
    strides: int = 1,
    kernel: int = 3,
    bias: bool = False,
) -> ir.Model:
    """Make a graph of one dilated convolution of images (N, H, W, 4), of random weights."""
    pads = pads or dilations * 2
    random = np.random.default_rng(0)
    weights = {"weight": random.standard_normal((5, 4 // group, kernel, kernel)).astype(np.float32)}
    if bias:
        weights["bias"] = random.standard_normal(5 if group == 1 else 4).astype(np.float32)
    declared = "".join(
        f", float[{', '.join(map(str, array.shape))}] {name}" for name, array in weights.items()
    )
    text = f"""
    <ir_version: 9, opset_import: ["" : 18]>
    graph (uint8[{batch}, {size_hw[0]}, {size_hw[1]}, 4] image{declared}) => (float[N, C, H, W] logits) {{
        pixels = Cast<to = 1>(image)
        planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
        logits = Conv<
            dilations = [{dilations[0]}, {dilations[1]}], pads = [{", ".join(map(str, pads))}],
            group = {group}, strides = [{strides}, {strides}]
        >(planes, {", ".join(weights)})
    }}
    """
    model = ir.from_onnx_text(text, [ir.tensor(array, name=name) for name, array in weights.items()])
    for _ in weights:
        model.graph.inputs.pop()  # declared for the parser, constants now
    return InferTypes()(model).model


@pytest.mark.parametrize("length", range(1, MOST_ROWS + 1))
def test_minimal_filtering_is_the_correlation(length: int) -> None:
    after, taps, before = minimal_filtering(length)
    numbers, kernel = np.arange(1.0, length + 1), np.array([2.0, -3.0, 5.0])
    expected = np.correlate(np.pad(numbers, 1), kernel)
    np.testing.assert_allclose(after @ ((taps @ kernel) * (before @ numbers)), expected, atol=1e-9)


def test_two_rows_take_three_products() -> None:
    """By hand: rows 1 and 10, taps 2, -3, 5 give -3 + 50 and 2 - 30."""
    after, taps, before = minimal_filtering(2)
    products = (taps @ [2, -3, 5]) * (before @ [1, 10])
    np.testing.assert_array_equal(products, [-33, 80, 5])
    np.testing.assert_array_equal(after @ products, [47, -28])


@given(
    dilations=st.tuples(st.integers(2, 7), st.integers(2, 7)),
    rows=st.tuples(st.integers(1, MOST_ROWS), st.integers(1, MOST_ROWS)),
    less=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    batch=st.sampled_from([1, 2]),
    bias=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_dilated_convolution(
    dilations: tuple[int, int], rows: tuple[int, int], less: tuple[int, int], batch: int, bias: bool
) -> None:
    height, width = (
        max(1, dilation * count - few) for dilation, count, few in zip(dilations, rows, less, strict=True)
    )
    model = wide((height, width), dilations, batch=batch, bias=bias)
    result = changed(model, WideDilations(), InferTypes())
    assert result.modified
    assert not [node for node in result.model.graph if node.op_type == "Conv"]
    image = np.random.default_rng(1).integers(0, 256, (batch, height, width, 4), np.uint8)
    expected, found = (open_run(to_bytes(one))(image)["logits"] for one in (model, result.model))
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
    assert result.model.graph.outputs[0].shape == model.graph.outputs[0].shape


@pytest.mark.parametrize(
    "model",
    [
        wide((8, 8), (1, 1)),
        wide((13, 12), (2, 2)),
        wide((12, 12), (4, 4), pads=(3, 3, 3, 3)),
        wide((12, 12), (4, 4), strides=2),
        wide((12, 12), (4, 4), kernel=2),
    ],
    ids=["not dilated", "too many rows", "another padding", "strided", "another kernel"],
)
def test_leaves_other_convolutions_alone(model: ir.Model) -> None:
    assert not WideDilations().sites(model)
    assert not changed(model, WideDilations()).modified
