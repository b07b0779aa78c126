"""Find out whether a backend's int8 kernels saturate on this processor, by one convolution that would.

Without VNNI, x86 processors multiply unsigned by signed bytes and add two products in 16 bits (`vpmaddubsw`),
which end at 32767; the graph means their sum in 32 bits.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgeseg.engines.job import OpenEngine
from edgeseg.engines.request import Request
from edgeseg.export.engines.trial import can_try, trial
from edgeseg.graph.precision.quantise import quantise
from edgeseg.graph.view import FLOAT, GraphView
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

SIDE = 16  # pixels
BLOCK = 4  # pixels a side that become channels: kernels for 3 channels are others
CHANNELS = 3 * BLOCK * BLOCK
SIDE_KERNEL = 3
BRIGHTEST = 255
LEAST_SHARE = 0.9  # of the true sum; pairs that saturate give about half of it
_OPSET = 18
_PEAK = float(BRIGHTEST * CHANNELS * SIDE_KERNEL**2)


def saturates(request: Request, open_engine: OpenEngine) -> bool:
    """Whether a convolution of the largest values comes out smaller than it is; False off the processor."""
    if not can_try(request):
        return False
    model = _convolution()
    view = GraphView(model)
    ranges = {"positive": float(BRIGHTEST), "sums": _PEAK, "sums_relu": _PEAK}
    quantised = quantise(model, view, ranges, request.int8_scheme, ("head",))
    bright = np.full((1, SIDE, SIDE, 3), BRIGHTEST, np.uint8)
    with trial(quantised, _spec(), request, open_engine) as runs:
        return any(float(run(bright)["logits"].max()) < LEAST_SHARE * _PEAK for run in runs)


def _convolution() -> onnx.ModelProto:
    """Make a convolution of weights that are all 1, with what surrounds it in a portable model."""
    ones = {"first": (CHANNELS, CHANNELS, SIDE_KERNEL, SIDE_KERNEL), "head": (2, CHANNELS, 1, 1)}
    weights = {name: np.zeros(shape, np.float32) for name, shape in ones.items()}
    weights["first"][:] = 1.0
    weights["head"][:, 0] = 1.0
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("SpaceToDepth", ["planes"], ["channels"], blocksize=BLOCK),
        helper.make_node("Relu", ["channels"], ["positive"]),
        helper.make_node("Conv", ["positive", "first"], ["sums"], pads=[1] * 4),
        helper.make_node("Relu", ["sums"], ["sums_relu"]),
        helper.make_node("Conv", ["sums_relu", "head"], ["logits"]),
    ]
    for node in nodes:
        node.name = node.output[0]
    size = SIDE // BLOCK
    graph = helper.make_graph(
        nodes,
        "saturation",
        [helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, (1, SIDE, SIDE, 3))],
        [helper.make_tensor_value_info("logits", FLOAT, (1, 2, size, size))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)


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
