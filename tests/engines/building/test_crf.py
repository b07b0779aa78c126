"""A graph with a CRF is built in every precision by every engine, and the CRF stays in float32."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.precision.convert import Calibration
from edgeseg.graph.view import GraphView
from edgeseg.manifest import read_manifest
from edgeseg.scenes.pictures import pictures
from edgeseg.spec import CRFSpec, Int8Scheme, Precision
from tests.export import small_networks
from tests.exported_models import ExportedModels
from tests.graph import small_graphs as graphs
from tests.graph.precision.conversions import in_fp16, in_int8

HALF = ir.DataType.FLOAT16
IMAGES = pictures(range(20, 24), small_networks.SIZE_HW)
CALIBRATION = Calibration(IMAGES, "minmax", max_drop=100.0)  # random weights say nothing of accuracy


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    crf = CRFSpec(small_networks.SIZE_HW[0], appearance_position_px=20.0)
    return exported(small_networks.unet, output_kind="logits", crf=crf).path


def types_in_the_crf(model: ir.Model) -> set[ir.DataType]:
    view = GraphView(InferTypes()(model).model, ("dense_crf",))
    nodes = [node for node in view.nodes if view.must_stay_float32(node)]
    assert {"Exp", "MatMul", "ReduceSum", "Softmax"} <= {node.op_type for node in nodes}
    assert not any(name.endswith(".dq") for node in nodes for name in graphs.inputs(node))
    values = (value for node in nodes for value in (*node.inputs, *node.outputs) if value is not None)
    return {value.dtype for value in values if value.dtype is not None}


def test_fp16_keeps_the_crf_in_float32_and_says_so(model: Path) -> None:
    converted, report = in_fp16(model, CALIBRATION)
    assert HALF not in types_in_the_crf(converted)
    assert set(report.layers.values()) == {"fp16"}
    (kept,) = (entry for entry in report.operators if "must stay float32" in entry.reason)
    assert "1 Exp" in kept.name
    assert "MatMul" in kept.name


@pytest.mark.parametrize("scheme", ["symmetric", "unsigned", "unsigned_io"])
def test_int8_leaves_the_crf_alone(model: Path, scheme: Int8Scheme) -> None:
    converted, report = in_int8(model, CALIBRATION, scheme)
    assert types_in_the_crf(converted) <= {
        ir.DataType.FLOAT,
        ir.DataType.INT64,
        ir.DataType.UINT8,
    }
    assert "int8" in report.layers.values()
    assert not any("dense_crf" in name for name in report.layers)  # smoothing matrices are no trained weights


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_cpu_engines_are_proven(model: Path, tmp_path: Path, backend: str, precision: Precision) -> None:
    pytest.importorskip(backend)
    built = build_engine(
        model,
        tmp_path / "engine",
        request=Request(backend, precision, threads=1),
        calibration=None if precision == "fp32" else CALIBRATION,
    )
    assert built.parity.passed
    assert built.manifest.spec.graph.crf_stride == 4
    assert built.manifest.options.get("inference_precision", "f32") == "f32"


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_tensorrt_for_rtx_builds_without_a_gpu(model: Path, tmp_path: Path, precision: Precision) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    options = {"compute_capabilities": ("8.6",)}
    build_engine(
        model,
        tmp_path / "engine",
        request=Request("tensorrt_rtx", precision, options=options),
        calibration=None if precision == "fp32" else CALIBRATION,
    )
    assert read_manifest(tmp_path / "engine", check_files=True).spec.graph.crf_stride == 4
