"""Dilated convolutions by phases: the same numbers, for every size, dilation, kernel and padding."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.graph.passes.dilated_phases import DilatedPhases
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import open_run
from tests.graph.passes.convolutions import ROUNDING, convolution, largest_difference


def operators(model: ir.Model) -> list[str]:
    """Name the operators in their order."""
    return [node.op_type for node in model.graph]


def test_phases_hold_the_rows_of_one_remainder() -> None:
    """By hand: a kernel of ones and dilation 2 adds rows and columns 2 apart, and nothing between."""
    model = convolution((4, 4), 2, channels=1)
    for name, value in model.graph.initializers.items():
        assert value.const_value is not None
        fill = 0 if name == "bias" else 1
        value.const_value = ir.tensor(np.full(value.const_value.shape.numpy(), fill, np.float32), name=name)
    image = np.zeros((1, 4, 4, 3), np.uint8)
    image[0, :, :, 0] = np.arange(16).reshape(4, 4)
    result = changed(model, DilatedPhases())
    logits = open_run(to_bytes(result.model))(image)["logits"]
    # row 0, column 0 reads (0, 0), (0, 2), (2, 0), (2, 2): 0 + 2 + 8 + 10; all other neighbours are padding
    np.testing.assert_array_equal(logits[0, 0], [[20, 24, 20, 24], [36, 40, 36, 40]] * 2)
    assert result.modified
    assert "dilations" not in {name for node in result.model.graph for name in node.attributes}


@given(
    size_hw=st.tuples(st.integers(9, 20), st.integers(9, 20)),
    dilation=st.integers(2, 4),
    kernel=st.sampled_from([2, 3]),
    padded=st.tuples(*[st.integers(0, 2)] * 4),
    group=st.sampled_from([1, 2]),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_dilated_convolution(
    size_hw: tuple[int, int], dilation: int, kernel: int, padded: tuple[int, int, int, int], group: int
) -> None:
    pads = tuple(dilation * side for side in padded)
    model = convolution(size_hw, dilation, kernel=kernel, pads=pads, group=group)  # type: ignore[arg-type]
    result = changed(model, DilatedPhases(), InferTypes())
    assert result.modified
    assert largest_difference(model, result.model) < ROUNDING
    assert result.model.graph.outputs[0].shape == model.graph.outputs[0].shape


@pytest.mark.parametrize(
    "model",
    [
        convolution((12, 12), 1),
        convolution((12, 12), 2, pads=(1, 1, 1, 1)),  # no multiple of the dilation
        convolution((12, 12), 2, extra=", strides = [2, 2]"),
        convolution((12, 12), 2, kernel=1),
    ],
    ids=["not dilated", "odd padding", "strided", "one pixel"],
)
def test_leaves_other_convolutions_alone(model: ir.Model) -> None:
    assert not DilatedPhases().sites(model)
    result = changed(model, DilatedPhases())
    assert not result.modified
    assert operators(result.model) == operators(model)


def test_changes_the_sites_that_are_named_alone() -> None:
    model = convolution((12, 12), 2)
    assert [site.name for site in DilatedPhases().sites(model)] == ["logits"]
    assert not changed(model, DilatedPhases(("other",))).modified
    assert changed(model, DilatedPhases(("logits",))).modified
