"""Find out whether a backend's int8 kernels saturate on this processor, by one convolution that would.

Without VNNI, x86 processors multiply unsigned by signed bytes and add two products in 16 bits (`vpmaddubsw`),
which end at 32767; the graph means their sum in 32 bits.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseg.engines.building.trial import can_try, trial
from edgeseg.engines.job import OpenEngine
from edgeseg.engines.request import Request
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.precision.quantise import quantise
from edgeseg.graph.view import GraphView
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

SIDE = 16  # pixels
BLOCK = 4  # pixels a side that become channels: kernels for 3 channels are others
CHANNELS = 3 * BLOCK * BLOCK
SIDE_KERNEL = 3
BRIGHTEST = 255
LEAST_SHARE = 0.9  # of the true sum; pairs that saturate give about half of it
GRAPH = f"""
<ir_version: 9, opset_import: ["" : 18]>
saturation (
    uint8[1, {SIDE}, {SIDE}, 3] image,
    float[{CHANNELS}, {CHANNELS}, {SIDE_KERNEL}, {SIDE_KERNEL}] first,
    float[2, {CHANNELS}, 1, 1] head
) => (float[1, 2, {SIDE // BLOCK}, {SIDE // BLOCK}] logits) {{
    pixels = Cast<to = 1>(image)
    planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
    channels = SpaceToDepth<blocksize = {BLOCK}>(planes)
    positive = Relu(channels)
    sums = Conv<pads = [1, 1, 1, 1]>(positive, first)
    sums_relu = Relu(sums)
    logits = Conv(sums_relu, head)
}}
"""
_PEAK = float(BRIGHTEST * CHANNELS * SIDE_KERNEL**2)


def saturates(request: Request, open_engine: OpenEngine) -> bool:
    """Whether a convolution of the largest values comes out smaller than it is; False off the processor."""
    if not can_try(request):
        return False
    view = GraphView(_convolution())
    ranges = {"positive": float(BRIGHTEST), "sums": _PEAK, "sums_relu": _PEAK}
    quantised = quantise(view, ranges, request.int8_scheme, ("head",))
    bright = np.full((1, SIDE, SIDE, 3), BRIGHTEST, np.uint8)
    with trial(quantised.model, _spec(), request, open_engine) as runs:
        return any(float(run(bright)["logits"].max()) < LEAST_SHARE * _PEAK for run in runs)


def _convolution() -> ir.Model:
    """Make a convolution of weights that are all 1, with what surrounds it in a portable model."""
    first = np.ones((CHANNELS, CHANNELS, SIDE_KERNEL, SIDE_KERNEL), np.float32)
    head = np.zeros((2, CHANNELS, 1, 1), np.float32)
    head[:, 0] = 1.0
    model = ir.from_onnx_text(GRAPH, [ir.tensor(first, name="first"), ir.tensor(head, name="head")])
    for _ in range(2):
        model.graph.inputs.pop()  # the weights: declared for the parser, constants now
    return InferTypes()(model).model


def _spec() -> ModelSpec:
    return ModelSpec(
        task="semantic",
        class_names=("background", "object"),
        input=InputSpec(SIDE, SIDE),
        graph=GraphSpec((0.0,) * 3, (1.0,) * 3),
        output_kind="logits",
        outputs=(OutputSpec("logits", "float32", (1, 2, SIDE // BLOCK, SIDE // BLOCK)),),
        source=Provenance("saturation"),
    )
