"""Kernels without the taps that read padding alone compute the very same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgeseg.graph.passes.padding_taps import DropPaddingTaps, Taps, taps_inside
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.types import InferTypes
from tests.graph import small_graphs as graphs

DILATED = """
dilated (uint8[1, {height}, {width}, 2] image) => (float[N, 3, H, W] logits) {{
    pixels = Cast<to = 1>(image)
    planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
    logits = Conv<pads = {pads}, dilations = {dilations}, strides = {strides}>(planes, w)
}}
"""


@dataclass(frozen=True)
class Convolution:
    """A convolution of two channels; lists are along rows and columns."""

    size_hw: tuple[int, int]
    kernel_hw: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    strides: tuple[int, int] = (1, 1)

    def model(self) -> ir.Model:
        height, width = self.size_hw
        text = DILATED.format(
            height=height,
            width=width,
            pads=list(self.pads),
            dilations=list(self.dilations),
            strides=list(self.strides),
        )
        weights = np.random.default_rng(0).normal(size=(3, 2, *self.kernel_hw))
        return graphs.model(text, {"w": weights})


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    made = Convolution(pair(1, 6), pair(1, 4), (*pair(0, 8), *pair(0, 8)), pair(1, 7), pair(1, 3))
    for axis in range(2):
        reach = (made.kernel_hw[axis] - 1) * made.dilations[axis] + 1
        assume(made.size_hw[axis] + made.pads[axis] + made.pads[axis + 2] >= reach)
    return made


def test_a_rate_as_large_as_the_map_leaves_the_middle_tap() -> None:
    made = Convolution((4, 5), (3, 3), (5, 5, 5, 5), (5, 5)).model()
    after = changed(made, DropPaddingTaps())
    assert after.modified
    weights, whole = graphs.constants(after.model)["w"], graphs.constants(made)["w"]
    np.testing.assert_array_equal(weights, whole[:, :, 1:2, 1:2])
    conv = after.model.graph[-1]
    assert list(conv.attributes.get_ints("pads")) == [0, 0, 0, 0]
    assert list(conv.attributes.get_ints("dilations")) == [1, 1]


def test_a_tap_that_reads_one_pixel_stays() -> None:
    assert taps_inside(5, 3, dilation=4, stride=1, pad_before=4, pad_after=4) == Taps(0, 2, 4, 4)
    assert taps_inside(4, 3, dilation=4, stride=1, pad_before=4, pad_after=4) == Taps(1, 1, 0, 0)


def test_a_kernel_of_several_convolutions_stays_whole() -> None:
    text = DILATED.format(height=4, width=4, pads=[5] * 4, dilations=[5, 5], strides=[1, 1])
    twice = text.replace("logits = ", "first = Conv(planes, w)\n    logits = ")
    made = graphs.model(twice, {"w": np.ones((3, 2, 3, 3))})
    assert not changed(made, DropPaddingTaps()).modified


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_nothing_else_changes(convolution: Convolution) -> None:
    made = convolution.model()
    after = changed(made, DropPaddingTaps())
    image = graphs.images(made, 1)
    expected = graphs.run(made, image)["logits"]
    np.testing.assert_allclose(graphs.run(after.model, image)["logits"], expected, rtol=1e-5, atol=1e-3)
    assert InferTypes()(after.model).model.graph.outputs[0].shape == ir.Shape(expected.shape)
