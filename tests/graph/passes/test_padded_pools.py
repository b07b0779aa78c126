"""OpenVINO computes average pools that count their padding as the graph means them, beside int8 layers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgeseg.graph.precision.calibration import observe
from edgeseg.graph.precision.quantise import plan, quantise
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.view import GraphView
from edgeseg.spec import Int8Scheme
from tests.graph import small_graphs as graphs

POOLED = """
pooled (uint8[1, 8, 8, 3] image) => (float[1, 4, 4, 4] logits) {
    pixels = Cast<to = 1>(image)
    planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
    scaled = Mul(planes, scale)
    shifted = Add(scaled, shift)
    small = AveragePool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], PADDING>(shifted)
    first = Conv<pads = [1, 1, 1, 1]>(small, w_first, bias)
    first_relu = Relu(first)
    logits = Conv(first_relu, w_head)
}
"""
"""A pool of preprocessed pixels, as in networks that show every stage the image."""


def quantised(
    padding: str, scheme: Int8Scheme, float_layers: tuple[str, ...] = ()
) -> tuple[ir.Model, ir.Model]:
    rng = np.random.default_rng(0)
    constants = {
        "w_first": rng.normal(size=(4, 3, 3, 3)),
        "w_head": rng.normal(size=(4, 4, 1, 1)),
        "bias": np.zeros(4),
        "scale": np.array(1 / 50),
        "shift": np.full((3, 1, 1), -2.0),
    }
    model = graphs.model(POOLED.replace("PADDING", padding), constants)
    view = GraphView(model)
    seen = observe(model, list(plan(view, scheme).source), graphs.images(model), 1)
    peaks = {name: tensor.peak for name, tensor in seen.items()}
    return model, quantise(view, peaks, scheme, float_layers).model


@pytest.mark.parametrize("float_layers", [(), ("w_first",)])
@pytest.mark.parametrize("padding", ["count_include_pad = 1", "count_include_pad = 0"])
def test_openvino_computes_what_the_graph_means(padding: str, float_layers: tuple[str, ...]) -> None:
    openvino = pytest.importorskip("openvino")
    model, made = quantised(padding, "unsigned", float_layers)
    image = graphs.images(model)[:1]
    expected = graphs.run(made, image, as_written=True)["logits"]
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(to_bytes(made)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    # A shifted border is off by more than 4 of 15; kernels that saturate are not meant here.
    assert np.abs(compiled([image])[0] - expected).max() < 0.05 * np.abs(expected).max()


def test_only_pools_that_count_their_padding_are_kept_in_place_and_only_for_openvino() -> None:
    counted = "count_include_pad = 1"
    assert graphs.operators(quantised(counted, "unsigned")[1])["Max"] == 1
    assert graphs.operators(quantised("count_include_pad = 0", "unsigned")[1])["Max"] == 0
    assert graphs.operators(quantised(counted, "symmetric")[1])["Max"] == 0
    assert graphs.operators(quantised(counted, "unsigned_io")[1])["Max"] == 0
