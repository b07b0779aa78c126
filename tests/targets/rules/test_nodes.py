"""Each rule about a node refuses a small model, and takes its twin in which that one thing is mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edgeseg.graph.portable import PortableModel
from edgeseg.targets.examine import examine
from edgeseg.targets.nvidia import DLA, PARSER
from edgeseg.targets.registry import target_of, versioned_targets
from edgeseg.targets.rules.accelerator import split
from edgeseg.targets.target import Between, ConstantInput, OneOf
from tests.targets.small_graphs import conv, graph, node, save

DOUBLED = np.array([1, 1, 2, 2], np.float32)


def resize(mode: str, place: str, *, scales: np.ndarray = DOUBLED, **attributes: object) -> onnx.ModelProto:
    made = node(
        "Resize", ["x", "", "s"], ["y"], mode=mode, coordinate_transformation_mode=place, **attributes
    )
    return graph([made], constants={"s": scales})


def pool(operator: str, size: int = 2, **attributes: object) -> onnx.ModelProto:
    opset = {"opset": 19} if "dilations" in attributes else {}
    return graph(
        [node(operator, ["x"], ["y"], kernel_shape=[size, size], **attributes)], shape=(1, 4, 64, 64), **opset
    )


def top_k(k: int, *, in_order: int = 1) -> onnx.ModelProto:
    constants = {"k": np.array([k], np.int64)}
    return graph(
        [node("TopK", ["x", "k"], ["y", "i"], sorted=in_order)], shape=(1, 8000), constants=constants
    )


def scatter(reduction: str) -> onnx.ModelProto:
    constants = {"i": np.zeros((1, 1), np.int64), "u": np.zeros((1, 4), np.float32)}
    return graph(
        [node("ScatterND", ["x", "i", "u"], ["y"], reduction=reduction)], shape=(2, 4), constants=constants
    )


def concat(axis: int) -> onnx.ModelProto:
    return graph([node("Concat", ["x", "x"], ["y"], axis=axis)])


def softmax(size: int) -> onnx.ModelProto:
    return graph([node("Softmax", ["x"], ["y"], axis=1)], shape=(1, size, 2, 2))


def product(*, constant: bool) -> onnx.ModelProto:
    if constant:
        return graph(
            [node("MatMul", ["x", "w"], ["y"])], shape=(4, 4), constants={"w": np.eye(4, dtype=np.float32)}
        )
    return graph([node("MatMul", ["x", "x"], ["y"])], shape=(4, 4))


THIRDS = np.array([1, 1, 1.5, 1.5], np.float32)
FIVE = np.array([1, 1, 5, 5], np.float32)
FORTY = np.array([1, 1, 40, 40], np.float32)

# In the order of the rules: what is refused, its twin, and what is said.
OF_THE_PARSER = (
    (
        resize("linear", "half_pixel", antialias=1),
        resize("linear", "half_pixel", antialias=0),
        "with antialias 0, not 1",
    ),
    (
        resize("linear", "half_pixel", keep_aspect_ratio_policy="not_larger"),
        resize("linear", "half_pixel", keep_aspect_ratio_policy="stretch"),
        "with keep_aspect_ratio_policy stretch, not not_larger",
    ),
    (
        resize("linear", "half_pixel_symmetric"),
        resize("linear", "align_corners"),
        "or align_corners, not half_pixel_symmetric",
    ),
    (pool("MaxPool", dilations=[2, 2]), pool("MaxPool", dilations=[1, 1]), "with dilation of 1, not 2 x 2"),
    (top_k(3840), top_k(3839), "TopK with k from 0 to 3839, not 3840"),
    (top_k(5, in_order=0), top_k(5), "with sorted 1, not 0"),
    (scatter("add"), scatter("none"), "with reduction none, not add"),
)
OF_THE_DLA = (
    (
        conv(kernel=33, pads=[31] * 4),
        conv(kernel=32, pads=[31] * 4),
        "Conv with kernel from 1 to 32, not 33 x 33",
    ),
    (conv(strides=[9, 9]), conv(strides=[8, 8]), "Conv with stride from 1 to 8, not 9 x 9"),
    (conv(pads=[32] * 4), conv(pads=[1] * 4), "Conv with padding from 0 to 31, not 32 x 32 x 32 x 32"),
    (
        conv(dilations=[33, 33], pads=[31] * 4, kernel=1),
        conv(dilations=[32, 32], pads=[31] * 4, kernel=1),
        "Conv with dilation from 1 to 32, not 33 x 33",
    ),
    (
        conv(operator="ConvTranspose", channels=8193, kernel=1, shape=(1, 4, 2, 2)),
        conv(operator="ConvTranspose", channels=8, kernel=1, shape=(1, 4, 2, 2)),
        "",  # the tensor that it makes has too long a side, which is said first
    ),
    (
        conv(operator="ConvTranspose", group=2),
        conv(operator="ConvTranspose"),
        "ConvTranspose with groups of 1, not 2",
    ),
    (
        conv(operator="ConvTranspose", dilations=[2, 2]),
        conv(operator="ConvTranspose"),
        "ConvTranspose with dilation of 1, not 2 x 2",
    ),
    (
        conv(operator="ConvTranspose", pads=[1] * 4),
        conv(operator="ConvTranspose"),
        "ConvTranspose with padding of 0, not 1 x 1 x 1 x 1",
    ),
    (pool("MaxPool", 9), pool("MaxPool", 8), "MaxPool with kernel from 1 to 8, not 9 x 9"),
    (
        pool("AveragePool", strides=[17, 17]),
        pool("AveragePool", strides=[16, 16]),
        "AveragePool with stride from 1 to 16, not 17 x 17",
    ),
    (
        pool("AveragePool", 8, pads=[8] * 4),
        pool("AveragePool", 8, pads=[7] * 4),
        "AveragePool with padding from 0 to 7, not 8 x 8 x 8 x 8",
    ),
    (concat(2), concat(1), "Concat with axis from the last of 3, not 2"),
    (softmax(1025), softmax(1024), "Softmax with size along the axis from 1 to 1024, not 1025"),
    (resize("cubic", "half_pixel"), resize("linear", "half_pixel"), "with mode nearest or linear, not cubic"),
    (
        resize("linear", "align_corners"),
        resize("linear", "pytorch_half_pixel"),
        "with coordinate_transformation_mode half_pixel or pytorch_half_pixel, not align_corners",
    ),
    (
        resize("nearest", "align_corners"),
        resize("nearest", "asymmetric"),
        "with coordinate_transformation_mode half_pixel or asymmetric, not align_corners",
    ),
    (
        resize("linear", "half_pixel", scales=FIVE),
        resize("linear", "half_pixel"),
        "with scale from 1 to 4 where mode is linear, not 1 x 1 x 5 x 5",
    ),
    (
        resize("nearest", "asymmetric", scales=FORTY),
        resize("nearest", "asymmetric", scales=FIVE),
        "with scale from 1 to 32 where mode is nearest, not 1 x 1 x 40 x 40",
    ),
    (product(constant=False), product(constant=True), "MatMul with a constant for its input 2"),
)


@pytest.mark.parametrize("index", range(len(PARSER)))
@pytest.mark.parametrize("name", ["tensorrt10", "tensorrt11", "jetpack6", "jetpack7.2"])
def test_a_rule_of_the_parser_refuses_one_thing(name: str, index: int, tmp_path: Path) -> None:
    broken, mended, said = OF_THE_PARSER[index]
    (finding,) = examine(save(broken, tmp_path), target_of(name)).findings
    assert (finding.kind, finding.fault) == ("refused", "parameter")
    assert said in finding.why
    assert finding.source.startswith("https://")
    assert examine(save(mended, tmp_path), target_of(name)).findings == ()


@pytest.mark.parametrize("index", range(len(DLA.rules)))
def test_a_rule_of_the_dla_moves_one_thing(index: int, tmp_path: Path) -> None:
    broken, mended, said = OF_THE_DLA[index]
    halves = split(PortableModel.read(save(broken, tmp_path)).model, DLA, "fp16")
    (moved,) = halves.moved
    assert said in moved[1]
    assert halves.taken == ()
    halves = split(PortableModel.read(save(mended, tmp_path)).model, DLA, "fp16")
    assert len(halves.taken) == 1
    assert halves.moved == ()


def test_a_third_is_no_whole_scale(tmp_path: Path) -> None:
    path = save(resize("linear", "half_pixel", scales=THIRDS), tmp_path)
    (moved,) = split(PortableModel.read(path).model, DLA, "fp16").moved
    assert "not 1 x 1 x 1.5 x 1.5" in moved[1]


def test_every_rule_has_its_case_and_every_kind_of_rule_is_among_them() -> None:
    assert (len(OF_THE_PARSER), len(OF_THE_DLA)) == (len(PARSER), len(DLA.rules))
    assert {type(rule) for rule in (*PARSER, *DLA.rules)} == {Between, OneOf, ConstantInput}


TYPED = {
    "tensorrt10": ("Exp", TensorProto.INT32),
    "tensorrt11": ("Exp", TensorProto.INT32),
    "jetpack6": ("Exp", TensorProto.INT32),
    "jetpack7.2": ("Exp", TensorProto.INT32),
    "dla": ("Exp", TensorProto.INT32),
    "ort-1.20": ("Conv", TensorProto.DOUBLE),
}
"""What each target takes of float32, not of this type; MNN's and OpenVINO's tables say nothing of types."""


@pytest.mark.parametrize("name", versioned_targets())
def test_a_type_is_refused_and_float32_taken(name: str, tmp_path: Path) -> None:
    if target_of(name).operators is None or not any(target_of(name).operators.types_of.values()):
        assert name not in TYPED
        return
    operator, kind = TYPED[name]
    constants = {"w": np.zeros((4, 4, 1, 1), np.float64)} if operator == "Conv" else {}
    inputs = ["x", *constants]
    broken = graph([node(operator, inputs, ["y"])], kind=kind, constants=constants)
    (finding,) = [
        one for one in examine(save(broken, tmp_path), target_of(name)).findings if one.fault == "type"
    ]
    assert finding.mend.startswith("cast it to float32")
    floats = {key: value.astype(np.float32) for key, value in constants.items()}
    mended = graph([node(operator, inputs, ["y"])], constants=floats)
    assert "type" not in {one.fault for one in examine(save(mended, tmp_path), target_of(name)).findings}


ABSENT = {
    "tensorrt10": "BitShift",
    "tensorrt11": "BitShift",
    "jetpack6": "BitShift",
    "jetpack7.2": "BitShift",
    "dla": "BitShift",
    "ort-1.20": "DeformConv",
    "openvino-2025": "Det",
    "mnn-3": "IsInf",
}
"""An operator that each target has not."""


@pytest.mark.parametrize("name", versioned_targets())
def test_an_operator_that_is_missing_is_refused(name: str, tmp_path: Path) -> None:
    made = {
        "BitShift": lambda: graph(
            [node("BitShift", ["x", "x"], ["y"], direction="LEFT")], kind=TensorProto.UINT8
        ),
        "Det": lambda: graph([node("Det", ["x"], ["y"])]),
        "IsInf": lambda: graph([node("IsInf", ["x"], ["y"])]),
        "DeformConv": lambda: graph(
            [node("DeformConv", ["x", "w", "o"], ["y"])],
            constants={"w": np.zeros((4, 4, 1, 1), np.float32), "o": np.zeros((1, 2, 16, 16), np.float32)},
            opset=19,
        ),
    }
    operator = ABSENT[name]
    report = examine(save(made[operator](), tmp_path), target_of(name))
    (finding,) = [one for one in report.findings if one.kind == "refused" and one.places]
    assert f"has no {operator}" in finding.why
    assert report.refused >= 1
    mended = examine(save(graph([node("Relu", ["x"], ["y"])]), tmp_path), target_of(name), "fp32")
    assert "operator" not in {one.fault for one in mended.findings if one.places and one.kind == "refused"}
