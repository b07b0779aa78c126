"""Every target says of the demo's networks what it is known to do, and of strange graphs something, too."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from edgeseg.demo.showcase import CHECKPOINTS
from edgeseg.errors import ExportError
from edgeseg.json_schema import json_schema
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.models.network import Network
from edgeseg.records import from_json_value, to_json_value
from edgeseg.spec import Precision
from edgeseg.targets.examine import examine
from edgeseg.targets.findings import TargetReport
from edgeseg.targets.registry import target_of, targets, versioned_targets
from tests.exported_models import ExportedModels
from tests.targets.small_graphs import conv, graph, node, save

DENSE_TAKEN = ("tensorrt10", "tensorrt11", "jetpack6", "jetpack7.2", "tensorrt", "tensorrt_rtx")


def demo_unet() -> Network:
    return open_network("demo_unet", str(CHECKPOINTS / "unet.safetensors"))[0]


def demo_deeplab() -> Network:
    return open_network("demo_deeplab", str(CHECKPOINTS / "deeplab.safetensors"))[0]


def demo_maskrcnn() -> Network:
    return open_network("demo_maskrcnn", str(CHECKPOINTS / "maskrcnn.safetensors"))[0]


@pytest.mark.minutes
@pytest.mark.parametrize("name", targets())
def test_the_demos_networks_are_taken_or_refused_for_one_reason(name: str, exported: ExportedModels) -> None:
    target = target_of(name)
    precision: Precision | None = "fp16" if name == "dla" else None
    for make in (demo_unet, demo_deeplab):
        report = examine(exported(make).path, target, precision)
        assert report.refused == 0, f"{make.__name__}: {[str(one) for one in report.findings]}"
        if name == "dla":
            assert report.accelerated is not None
            assert report.accelerated > 0.95
            assert examine(exported(make).path, target).refused > 0  # in float32
    for lowering in ("onnx", "dense"):
        report = examine(exported(demo_maskrcnn, lowering=lowering).path, target, precision)
        refused = [one for one in report.findings if one.kind == "refused"]
        if name == "dla":
            assert any("takes 16 parts" in one.why for one in refused)
        elif (lowering == "onnx" and name in DENSE_TAKEN) or (lowering == "dense" and name.startswith("mnn")):
            assert {one.fault for one in refused} == {"lowering"}
            other = "dense" if lowering == "onnx" else "onnx"
            for one in refused:
                assert one.command is not None
                assert (
                    f"edgeseg export demo_maskrcnn --weights WEIGHTS --size 64x96 --lowering {other}"
                    in one.command
                )
                assert all(place.operator for place in one.places) or lowering == "dense"
        else:
            assert refused == []


def test_findings_name_modules_lines_and_the_command(exported: ExportedModels) -> None:
    from tests.export.small_networks import mask_rcnn

    report = examine(exported(mask_rcnn, lowering="onnx").path, target_of("jetpack6"))
    (nms,) = [
        one for one in report.findings if "NonMaxSuppression" in {place.operator for place in one.places}
    ]
    place = next(one for one in nms.places if one.operator == "NonMaxSuppression")
    assert place.module == "rpn"
    assert place.source.startswith("models/rpn.py:")
    assert "--lowering dense" in (nms.command or "")


def test_a_precision_that_a_target_has_not_is_refused(tmp_path: Path) -> None:
    path = save(conv(), tmp_path)
    (finding,) = examine(path, target_of("mnn-3"), "int8").findings
    assert finding.why == "MNN 3.4 computes in fp32, not in int8"
    assert finding.command == f"edgeseg build {path} --backend mnn --precision fp32 -o small-fp32"
    assert examine(path, target_of("mnn-3"), "fp32").findings == ()


def test_equal_faults_are_one_finding_with_all_places(tmp_path: Path) -> None:
    nodes = [
        node("Det", ["x"], ["a"], "first"),
        node("Det", ["x"], ["b"], "second"),
        node("Add", ["a", "b"], ["y"]),
    ]
    report = examine(save(graph(nodes), tmp_path), target_of("openvino-2025"))
    (finding,) = report.findings
    assert [place.node for place in finding.places] == ["first", "second"]
    assert report.refused == 2


def test_a_node_is_refused_once(tmp_path: Path) -> None:
    model = graph([node("NonZero", ["x"], ["y"], "which")], kind=TensorProto.INT32)
    report = examine(save(model, tmp_path), target_of("tensorrt10"))
    assert report.refused == 1


def test_open_shapes_are_refused_where_shapes_are_fixed(tmp_path: Path) -> None:
    path = save(graph([node("Relu", ["x"], ["y"])], shape=(1, 3, "rows", 4)), tmp_path)
    (finding,) = examine(path, target_of("jetpack6")).findings
    assert (finding.fault, finding.places[0].node) == ("shape", "x")
    assert finding.command == f"edgeseg export {path} --size HEIGHTxWIDTH -o small-edgeseg.onnx"
    assert examine(path, target_of("ort-1.20")).findings == ()


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for name in versioned_targets():
        report = examine(save(conv(), tmp_path), target_of(name))
        value = to_json_value(report)
        assert from_json_value(TargetReport, value) == report
        jsonschema.validate(value, json_schema(TargetReport))


def test_what_is_no_graph_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(ExportError):
        examine(path, target_of("dla"))


OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain})
ATTRIBUTES = ("kernel_shape", "strides", "pads", "dilations", "group", "axis", "mode", "sorted", "to")
KINDS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING)
VALUES = st.one_of(
    st.integers(-(2**40), 2**40),
    st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=3),
    st.text("abc", min_size=1, max_size=3),
    st.floats(allow_nan=False),
)
NODES = st.lists(
    st.tuples(
        st.sampled_from([*OPERATORS, "Unheard"]),
        st.lists(st.sampled_from(["x", "w", "x", "w", "x", "w", ""]), min_size=1, max_size=4),
        st.dictionaries(st.sampled_from(ATTRIBUTES), VALUES, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    nodes=NODES,
    kind=st.sampled_from(KINDS),
    shape=st.lists(st.one_of(st.integers(0, 9000), st.just("n")), max_size=5),
    opset=st.integers(1, 40),
    ir_version=st.integers(3, 20),
    name=st.sampled_from(targets()),
    precision=st.sampled_from([None, "fp32", "fp16", "int8"]),
)
def test_no_graph_is_too_strange(
    *,
    nodes: list,
    kind: int,
    shape: list,
    opset: int,
    ir_version: int,
    name: str,
    precision: Precision | None,
) -> None:
    made = [
        node(operator, inputs, [f"v{index}"], f"n{index}", **attributes)
        for index, (operator, inputs, attributes) in enumerate(nodes)
    ]
    made.append(node("Identity", [f"v{len(nodes) - 1}"], ["y"]))
    constants = {"w": np.ones((2, 2, 1, 1), np.float32)}
    model = graph(made, kind=kind, shape=shape, constants=constants, opset=opset, ir_version=ir_version)
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = examine(save(model, Path(folder)), target_of(name), precision)
        except ExportError:  # one line that says what is wrong with the graph
            return
    assert report.refused == sum(max(len(one.places), 1) for one in report.findings if one.kind == "refused")
    assert all("\n" not in str(one) for one in report.findings)
