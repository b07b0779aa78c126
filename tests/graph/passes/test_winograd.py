"""3x3 convolutions by Winograd: the same numbers, for every size, padding, dilation and batch."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.graph.passes import winograd
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.passes.winograd import Winograd, transformed
from tests.graph.passes.convolutions import ROUNDING, convolution, largest_difference


@pytest.fixture(autouse=True)
def few_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small convolutions count, which are quick to test."""
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 2)


def test_a_kernel_that_picks_the_middle_leaves_a_tile_as_it_is() -> None:
    """By hand: A^T [(G g G^T) * (B^T d B)] A of the identity kernel is the middle 4x4 of d."""
    middle = np.zeros((1, 1, 3, 3), np.float32)
    middle[0, 0, 1, 1] = 1.0
    tile = np.arange(36.0).reshape(6, 6)
    points = transformed(middle).reshape(6, 6) * (
        winograd.INPUT_TRANSFORM @ tile @ winograd.INPUT_TRANSFORM.T
    )
    outputs = winograd.OUTPUT_TRANSFORM @ points @ winograd.OUTPUT_TRANSFORM.T
    np.testing.assert_allclose(outputs, tile[1:5, 1:5], rtol=1e-6)


@given(
    size_hw=st.tuples(st.integers(5, 14), st.integers(5, 14)),
    dilation=st.integers(1, 3),
    pads=st.tuples(*[st.integers(0, 5)] * 4),
    channels=st.integers(2, 5),
    batch=st.integers(1, 2),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_plain_convolution(
    size_hw: tuple[int, int], dilation: int, pads: tuple[int, int, int, int], channels: int, batch: int
) -> None:
    size_hw = (size_hw[0] + 2 * dilation, size_hw[1] + 2 * dilation)
    model = convolution(size_hw, dilation, channels=channels, pads=pads, batch=batch)
    result = changed(model, Winograd(), InferTypes())
    assert result.modified
    assert "dilations" not in {name for node in result.model.graph for name in node.attributes}
    assert result.model.graph.outputs[0].shape == model.graph.outputs[0].shape
    assert largest_difference(model, result.model) < ROUNDING


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_number_of_images_may_change_from_run_to_run(count: int) -> None:
    model = convolution((6, 9), batch="N")
    result = changed(model, Winograd(), InferTypes()).model
    for one in (model, result):
        one.graph.inputs[0].shape = ir.Shape((count, 6, 9, 3))
    assert largest_difference(model, result) < ROUNDING


@pytest.mark.parametrize(
    "model",
    [
        convolution((12, 12), kernel=5),
        convolution((12, 12), extra=", strides = [2, 2]"),
        convolution((12, 12), channels=4, group=2),
        convolution((12, 12), outputs=1),
    ],
    ids=["5x5", "strided", "in groups", "few channels"],
)
def test_leaves_other_convolutions_alone(model: ir.Model) -> None:
    assert not Winograd().sites(model)
    assert not changed(model, Winograd()).modified
