"""Graphs of one convolution, and what two graphs make of an image."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import open_run

ROUNDING = 1e-5  # of the largest value: float32, summed in another order


def convolution(
    size_hw: tuple[int, int],
    dilation: int = 1,
    *,
    channels: int = 2,
    outputs: int = 4,
    kernel: int = 3,
    pads: tuple[int, int, int, int] | None = None,
    group: int = 1,
    batch: int | str = 1,
    extra: str = "",
) -> ir.Model:
    """Make a graph of one convolution of images (N, H, W, 3), of random weights."""
    pads = pads or (dilation * (kernel // 2),) * 4
    random = np.random.default_rng(0)
    weight = random.standard_normal((outputs, channels // group, kernel, kernel)).astype(np.float32)
    first = random.standard_normal((channels, 3, 1, 1)).astype(np.float32)
    rows, columns = size_hw
    text = f"""
    <ir_version: 9, opset_import: ["" : 18]>
    graph (
        uint8[{batch}, {rows}, {columns}, 3] image,
        float[{channels}, 3, 1, 1] first,
        float[{outputs}, {channels // group}, {kernel}, {kernel}] weight,
        float[{outputs}] bias
    ) => (float[N, C, H, W] logits) {{
        pixels = Cast<to = 1>(image)
        planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
        read = Conv(planes, first)
        logits = Conv<
            dilations = [{dilation}, {dilation}], pads = [{", ".join(map(str, pads))}], group = {group}{extra}
        >(read, weight, bias)
    }}
    """
    bias = random.standard_normal(outputs).astype(np.float32)
    constants = {"first": first, "weight": weight, "bias": bias}
    model = ir.from_onnx_text(text, [ir.tensor(array, name=name) for name, array in constants.items()])
    for _ in constants:
        model.graph.inputs.pop()  # the weights: declared for the parser, constants now
    return InferTypes()(model).model


def largest_difference(model: ir.Model, other: ir.Model) -> float:
    """Compare what two graphs make of one image, relative to the largest value."""
    shape = tuple(int(side) for side in model.graph.inputs[0].shape or ())
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    expected, found = (open_run(to_bytes(one))(image)["logits"] for one in (model, other))
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max(initial=0.0) / max(1.0, np.abs(expected).max(initial=0.0)))
