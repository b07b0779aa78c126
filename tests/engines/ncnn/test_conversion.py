"""Each operator that is converted computes in ncnn what ONNX Runtime computes; others are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from edgeseg.engines.ncnn.conversion import converted
from edgeseg.engines.ncnn.operators import OPERATORS
from edgeseg.engines.ncnn.taken import OPERATORS as TAKEN
from edgeseg.errors import EngineError
from edgeseg.graph.portable import PortableModel
from tests.engines.ncnn.graphs import PLANES, graph, ran

needs_ncnn = pytest.mark.skipif(find_spec("ncnn") is None, reason="ncnn is not installed")

SHAPE = (2, 12, 15, 3)
TOLERANCE = 5e-6  # of the largest value: float32, added up in another order; ncnn's tanh is off by 4e-6

Case = tuple[str, Sequence[str], Mapping[str, Any], Mapping[str, NDArray[Any]]]


def weights(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def sizes(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def case(
    operator: str, *inputs: str, constants: Mapping[str, NDArray[Any]] | None = None, **given: Any
) -> Case:
    return operator, inputs or ("x",), given, constants or {}


BIAS = weights(4)
CASES: Mapping[str, Case] = {
    "conv": case("Conv", "x", "w", "b", constants={"w": weights(4, 3, 3, 5), "b": BIAS}, pads=[1, 2, 0, 3]),
    "conv by strides": case("Conv", "x", "w", constants={"w": weights(4, 3, 3, 3)}, strides=[2, 3]),
    "conv dilated": case(
        "Conv", "x", "w", constants={"w": weights(8, 3, 3, 3)}, dilations=[2, 3], pads=[2, 3, 2, 3]
    ),
    "conv by depth": case("Conv", "x", "w", constants={"w": weights(3, 1, 3, 3)}, group=3, pads=[1, 1, 1, 1]),
    "conv in groups": case("Conv", "x", "w", constants={"w": weights(6, 1, 3, 3)}, group=3),
    "deconv": case(
        "ConvTranspose", "x", "w", "b", constants={"w": weights(3, 4, 2, 2), "b": BIAS}, strides=[2, 2]
    ),
    "deconv padded": case(
        "ConvTranspose",
        "x",
        "w",
        constants={"w": weights(3, 4, 4, 3)},
        strides=[2, 3],
        pads=[1, 0, 1, 2],
        output_padding=[1, 2],
    ),
    "deconv by depth": case(
        "ConvTranspose", "x", "w", constants={"w": weights(3, 2, 2, 2)}, group=3, strides=[2, 2]
    ),
    "max pool": case("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    "max pool to the end": case("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "average pool": case("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "average of padding": case("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "global mean": case("GlobalAveragePool"),
    "mean": case("ReduceMean", "x", "axes", constants={"axes": sizes(-1, -2)}),
    "linear": case("Resize", "x", "", "", "to", constants={"to": sizes(2, 3, 31, 20)}, mode="linear"),
    "linear, smaller": case("Resize", "x", "", "", "to", constants={"to": sizes(2, 3, 5, 9)}, mode="linear"),
    "linear by corners": case(
        "Resize",
        "x",
        "",
        "",
        "to",
        constants={"to": sizes(2, 3, 31, 20)},
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "nearest": case(
        "Resize",
        "x",
        "",
        "",
        "to",
        constants={"to": sizes(2, 3, 24, 45)},
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "nearest by centres": case(
        "Resize", "x", "", "", "to", constants={"to": sizes(2, 3, 36, 30)}, mode="nearest"
    ),
    "padded": case("Pad", "x", "pads", constants={"pads": sizes(0, 0, 1, 2, 0, 0, 3, 0)}),
    "padded by mirroring": case(
        "Pad", "x", "pads", constants={"pads": sizes(0, 0, 1, 2, 0, 0, 3, 1)}, mode="reflect"
    ),
    "softmax": case("Softmax", axis=1),
    "prelu": case("PRelu", "x", "slope", constants={"slope": weights(3, 1, 1)}),
    "clip": case("Clip", "x", "low", "high", constants={"low": np.float32(-0.5), "high": np.float32(1)}),
    "leaky": case("LeakyRelu", alpha=0.3),
    "elu": case("Elu", alpha=0.7),
    "hard sigmoid": case("HardSigmoid", alpha=0.3, beta=0.4),
    **{name: case(name) for name in ("Relu", "Sigmoid", "Tanh", "HardSwish", "Abs", "Exp", "Neg")},
    **{name: case(name, "x", "x2") for name in ("Add", "Sub", "Mul", "Div", "Max", "Min")},
    "by its mean": case("Mul", "x", "one"),
    "by a plane": case("Mul", "plane", "x"),
    "a channel's number": case("Sub", "number", "x", constants={"number": weights(1, 3, 1, 1)}),
    "weighed": case("Div", "x", "number", constants={"number": weights(3, 1, 1)}),
    "normalised": case(
        "BatchNormalization",
        "x",
        "s",
        "b",
        "m",
        "v",
        constants={"s": weights(3), "b": weights(3), "m": weights(3), "v": np.abs(weights(3))},
    ),
    "normalised by its own": case(
        "InstanceNormalization", "x", "s", "b", constants={"s": weights(3), "b": weights(3)}
    ),
    "channels": case("Gather", "x", "which", constants={"which": sizes(2, 0, 0, 1)}, axis=1),
    "sum": case("ReduceSum", "x", "axes", constants={"axes": sizes(1)}),
    "joined": case("Concat", "x", "x2", "x", axis=1),
}
"""Nodes that read `x`, planes about 0, `x2`, the same mixed, `one`, their mean, or `plane`, a sum."""

BEFORE = (
    *PLANES,
    helper.make_node("Mul", ["planes", "scale"], ["scaled"]),
    helper.make_node("Add", ["scaled", "shift"], ["x"]),
    helper.make_node("Gather", ["x", "order"], ["mixed"], axis=1),
    helper.make_node("Abs", ["mixed"], ["large"]),
    helper.make_node("Add", ["large", "shift2"], ["x2"]),
    helper.make_node("GlobalAveragePool", ["x"], ["one"]),
    helper.make_node("ReduceSum", ["x2", "channels"], ["plane"]),
)
CONSTANTS = {
    "scale": np.array([0.02, 0.017, 0.018], np.float32).reshape(1, 3, 1, 1),
    "shift": np.array([-2, -2.5, -1.7], np.float32).reshape(1, 3, 1, 1),
    "order": sizes(2, 1, 0),
    "shift2": np.array(0.25, np.float32),
    "channels": sizes(1),
}


def images() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, SHAPE, np.uint8)


def check(nodes: Sequence[NodeProto], constants: Mapping[str, NDArray[Any]], **given: Any) -> None:
    """Compare all outputs of a graph with ONNX Runtime's."""
    model = graph(nodes, constants, SHAPE, **given)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"image": images()})
    for found, wanted in zip(ran(model, images()), expected, strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())


@needs_ncnn
@pytest.mark.parametrize("name", CASES)
def test_an_operator_computes_what_onnx_runtime_computes(name: str) -> None:
    operator, inputs, given, constants = CASES[name]
    node = helper.make_node(operator, inputs, ["logits"], name="the_node", **given)
    check([*BEFORE, node], {**CONSTANTS, **constants})


@needs_ncnn
@pytest.mark.parametrize(
    "activation",
    [
        ("Relu",),
        ("LeakyRelu",),
        ("Sigmoid",),
        ("HardSwish",),
        ("Clip", "low", "high"),
        ("Tanh",),
    ],
)
def test_an_activation_after_a_convolution_is_part_of_it_or_not(activation: Sequence[str]) -> None:
    operator, *others = activation
    constants = {"w": weights(4, 3, 3, 3), "low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    nodes = [
        *BEFORE,
        helper.make_node("Conv", ["x", "w"], ["c"], name="c"),
        helper.make_node(operator, ["c", *others], ["logits"], name="a"),
    ]
    check(nodes, {**CONSTANTS, **constants})
    proto = graph(nodes, {**CONSTANTS, **constants}, SHAPE)
    network = converted(PortableModel("graph", proto=proto).model.graph)
    assert ("a" in [layer.name for layer in network.layers]) == (operator == "Tanh")


@needs_ncnn
def test_groups_of_channels_are_normalised_by_one_layer() -> None:
    nodes = [
        *BEFORE,
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Reshape", ["c", "view"], ["groups"]),
        helper.make_node("InstanceNormalization", ["groups", "s", "b"], ["normal"], epsilon=1e-3),
        helper.make_node("Reshape", ["normal", "whole"], ["logits"]),
    ]
    numbers = {"w": weights(8, 3, 3, 3), "s": weights(2), "b": weights(2)}
    check(nodes, {**CONSTANTS, **numbers, "view": sizes(0, 2, -1), "whole": sizes(2, 8, 10, 13)})


@needs_ncnn
def test_labels_and_the_logits_that_they_are_of_are_both_given() -> None:
    nodes = [
        *BEFORE,
        helper.make_node("Conv", ["x2", "w"], ["logits"]),
        helper.make_node("Relu", ["logits"], ["more"]),
        helper.make_node("ArgMax", ["logits"], ["best"], axis=1, keepdims=0),
        helper.make_node("Cast", ["best"], ["labels"], to=TensorProto.UINT8),
    ]
    check(nodes, {**CONSTANTS, "w": weights(5, 3, 1, 1)}, outputs=("labels", "logits", "more"))


def test_what_is_refused_before_is_what_is_not_converted() -> None:
    assert frozenset(OPERATORS) == TAKEN


REFUSED: Mapping[str, tuple[Case, str]] = {
    "an operator": (case("Erf"), "edgeseg does not convert it"),
    "cubic": (
        case("Resize", "x", "", "", "to", constants={"to": sizes(2, 3, 31, 20)}, mode="cubic"),
        "than cubic",
    ),
    "a computed weight": (case("Conv", "x", "x2"), "its weights are computed"),
    "planes joined": (case("Concat", "x", "x2", axis=2), "other axes than channels"),
    "a map": (
        case("Mul", "x", "m", constants={"m": weights(1, 1, 12, 15)}),
        "its constant is not one number",
    ),
    "an order": (case("Transpose", perm=[0, 2, 3, 1]), "no change from an image to channels"),
    "rows": (
        case("Gather", "x", "which", constants={"which": sizes(2, 0)}, axis=2),
        "does not choose channels",
    ),
    "integers": (case("Cast", to=TensorProto.INT32), "makes other numbers than float32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_ncnn_has_no_layer_for_is_one_line(name: str) -> None:
    (operator, inputs, given, constants), problem = REFUSED[name]
    node = helper.make_node(operator, inputs, ["logits"], name="the_node", **given)
    model = graph([*BEFORE, node], {**CONSTANTS, **constants}, SHAPE)
    with pytest.raises(
        EngineError, match=f"ncnn has no layer for {operator} the_node: .*{problem}"
    ) as caught:
        converted(PortableModel("graph", proto=model).model.graph)
    assert "build it for another backend, such as onnxruntime or mnn" in str(caught.value)
    assert "\n" not in str(caught.value)
