"""What a graph only declares, and data that lies elsewhere, is refused before anything runs."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.errors import ExportError
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import GOLDEN_KEY, SPEC_KEY
from edgeseg.proof.verify import verify_model
from tests.export import small_networks
from tests.exported_models import ExportedModels

HUGE = 10**5  # a side; two of them are 40 GB of floats


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


def _stored_elsewhere(place: str) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)

    return change


def _constant_stored_elsewhere(proto: onnx.ModelProto) -> None:
    value = TensorProto(dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    value.external_data.add(key="location", value="weights.bin")
    proto.graph.node.append(helper.make_node("Constant", [], ["stray"], value=value))


def _huge_weight(proto: onnx.ModelProto) -> None:
    dims = proto.graph.initializer[0].dims
    del dims[:]
    dims.extend([HUGE, HUGE])


def _huge_sparse_weight(proto: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros((1, 2), np.int64))
    proto.graph.sparse_initializer.add(values=values, indices=indices, dims=[HUGE, HUGE])


def _huge_between_layers(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(numpy_helper.from_array(np.array([HUGE, HUGE]), "size"))
    proto.graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["huge"]))


def _huge_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = HUGE * HUGE


def _negative(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = -1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _stored_elsewhere("../../secret"),
            r"in another file \(external data\); a portable model is one",
        ),
        (_stored_elsewhere("/etc/passwd"), "external data"),
        (_stored_elsewhere("missing.bin"), "external data"),
        (_constant_stored_elsewhere, "external data"),
        (_huge_weight, "with all its weights takes .* raise the limit: edgeseg --limit bytes="),
        (_huge_sparse_weight, "with all its weights takes .* raise the limit: edgeseg --limit bytes="),
        (_huge_between_layers, "the tensor 'huge' takes .* raise the limit: edgeseg --limit tensor=38147M"),
        (_huge_input, "the tensor 'image' takes"),
        (_negative, "has a negative size"),
    ],
)
def test_a_hostile_graph_is_one_line(
    model: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    proto = onnx.load(model)
    change(proto)
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ExportError, match=message) as caught:
        PortableModel.read(tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)


def test_a_limit_that_was_raised_is_believed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proto = onnx.load(model)
    _huge_between_layers(proto)
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    monkeypatch.setenv("EDGESEG_LIMITS", "tensor=38147M")
    assert len(PortableModel.read(tmp_path / "model.onnx").proto.graph.node) == len(proto.graph.node)


def _with_metadata(model: Path, target: Path, key: str, change: Callable[[Any], Any]) -> Path:
    proto = onnx.load(model)
    entry = next(entry for entry in proto.metadata_props if entry.key == key)
    entry.value = json.dumps(change(json.loads(entry.value)))
    target.write_bytes(proto.SerializeToString())
    return target


def _archive(shape: tuple[int, ...], values: int) -> str:
    header, block = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(block, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.labels.npy", header.getvalue() + bytes(values))
    return base64.b64encode(block.getvalue()).decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda parsed: {**parsed, "arrays": _archive((HUGE, HUGE), 0)},
            r"\(100000, 100000\) in 0 bytes",
        ),
        (
            lambda parsed: {**parsed, "arrays": _archive((5 << 20,), 20 << 20)},
            "takes 20 MiB, at most 16",
        ),
        (lambda parsed: {**parsed, "seeds": list(range(10**5))}, "1 to 64 seeds"),
        (lambda parsed: {**parsed, "seeds": [-1]}, "1 to 64 seeds, each 0 or more"),
        (lambda parsed: {**parsed, "max_detections": 10**20}, "golden outputs cannot be read"),
        (lambda parsed: {**parsed, "graph_sha256": 3}, "golden outputs cannot be read"),
        (lambda parsed: {**parsed, "version": "x" * 10**6}, "have version 'x"),
    ],
)
def test_golden_outputs_are_not_believed(
    model: Path, tmp_path: Path, change: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        verify_model(_with_metadata(model, tmp_path / "model.onnx", GOLDEN_KEY, change))
    assert len(str(caught.value)) < 2000


def test_a_spec_nested_without_end_is_one_line(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    next(entry for entry in proto.metadata_props if entry.key == SPEC_KEY).value = "[" * 10**5
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ExportError, match="the spec is not JSON: nested too deep"):
        verify_model(tmp_path / "model.onnx")


@pytest.mark.parametrize("inputs", [[""], []])
def test_a_node_without_what_it_requires_is_refused_before_onnx_reads_it(
    inputs: list[str], tmp_path: Path
) -> None:
    node = helper.make_node("RegexFullMatch", inputs, ["y"], pattern="a")  # on which ONNX's inference crashes
    made = helper.make_graph([node], "g", [], [helper.make_empty_tensor_value_info("y")])
    path = tmp_path / "incomplete.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)]), path)
    with pytest.raises(ExportError, match="a RegexFullMatch lacks its input X; export the model again"):
        PortableModel.read(path)
