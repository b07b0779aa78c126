"""Rows of 3x3 convolutions on small maps by Winograd: the same numbers, for any size and number of maps."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeseg.graph.passes import small_maps
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.small_maps import SmallMaps
from edgeseg.graph.passes.types import InferTypes
from tests.graph.passes.convolutions import ROUNDING, convolution, largest_difference

LAYERS = 3


@pytest.fixture(autouse=True)
def few_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small convolutions count, which are quick to test."""
    monkeypatch.setattr(small_maps, "LEAST_CHANNELS", 2)


def mask_head(
    maps: str | int, size_hw: tuple[int, int], relus: str = "110", read_twice: bool = False
) -> ir.Model:
    """Make a graph of convolutions one after the other on maps (N, H, W, 3), of random weights."""
    random = np.random.default_rng(0)
    height, width = size_hw
    constants, lines, value = {}, [], "planes"
    for index, (channels, outputs) in enumerate(zip((3, 4, 5), (4, 5, 6), strict=True)):
        constants[f"weight{index}"] = random.standard_normal((outputs, channels, 3, 3)).astype(np.float32)
        constants[f"bias{index}"] = random.standard_normal(outputs).astype(np.float32)
        lines.append(f"conv{index} = Conv<pads = [1, 1, 1, 1]>({value}, weight{index}, bias{index})")
        value = f"conv{index}"
        if relus[index] == "1":
            lines.append(f"relu{index} = Relu(conv{index})")
            value = f"relu{index}"
    lines.append(f"mean = ReduceMean<keepdims = 1>({'conv1' if read_twice else value})")
    lines.append(f"logits = Add({value}, mean)")
    declared = [f"float[{', '.join(map(str, array.shape))}] {name}" for name, array in constants.items()]
    inputs = ", ".join([f"uint8[{maps}, {height}, {width}, 3] image", *declared])
    body = "\n".join(lines)
    text = f"""
    <ir_version: 9, opset_import: ["" : 18]>
    graph ({inputs}) => (float[N, C, H, W] logits) {{
        pixels = Cast<to = 1>(image)
        planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
        {body}
    }}
    """
    model = ir.from_onnx_text(text, [ir.tensor(array, name=name) for name, array in constants.items()])
    for _ in constants:
        model.graph.inputs.pop()  # the weights: declared for the parser, constants now
    return InferTypes()(model).model


@pytest.mark.parametrize("size_hw", [(14, 14), (5, 9), (4, 8), (1, 3)])
@pytest.mark.parametrize("relus", ["110", "101", "111"])
def test_a_mask_head_gives_the_same_numbers(size_hw: tuple[int, int], relus: str) -> None:
    model = mask_head(9, size_hw, relus)
    result = changed(model, SmallMaps(), InferTypes())
    assert [node.op_type for node in result.model.graph].count("Conv") == 0
    assert largest_difference(model, result.model) < ROUNDING


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_number_of_maps_may_change_from_image_to_image(count: int) -> None:
    model = mask_head("N", (6, 6))
    result = changed(model, SmallMaps(), InferTypes()).model
    for one in (model, result):
        one.graph.inputs[0].shape = ir.Shape((count, 6, 6, 3))
    assert largest_difference(model, result) < ROUNDING


def test_a_row_ends_where_another_node_reads_it() -> None:
    model = mask_head(9, (6, 6), read_twice=True)
    rows = SmallMaps().sites(model)
    assert [[node.op_type for node in row.nodes] for row in rows] == [
        ["Conv", "Relu", "Conv"],
        ["Conv"],
    ]
    result = changed(model, SmallMaps(), InferTypes()).model
    assert largest_difference(model, result) < ROUNDING


@pytest.mark.parametrize(
    "model",
    [
        convolution((12, 12)),
        convolution((12, 40), batch=9),
        convolution((12, 12), kernel=5, batch=9),
        convolution((12, 12), extra=", strides = [2, 2]", batch=9),
        convolution((12, 12), channels=4, group=2, batch=9),
        convolution((12, 12), 2, batch=9),
        convolution((12, 12), pads=(0, 0, 0, 0), batch=9),
        convolution((12, 12), outputs=1, batch=9),
    ],
    ids=["one map", "large", "5x5", "strided", "in groups", "dilated", "unpadded", "few channels"],
)
def test_leaves_other_convolutions_alone(model: ir.Model) -> None:
    assert not SmallMaps().sites(model)
    assert not changed(model, SmallMaps()).modified
