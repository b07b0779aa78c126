"""Engines in fp16 and int8 are proven as such, and say which layer computes in which precision."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeseg.engines.backend import open_backend
from edgeseg.engines.building import conversion
from edgeseg.engines.building.build import Built, build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.onnxruntime import facts
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, UsageError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration
from edgeseg.graph.precision.evaluator import Evaluator
from edgeseg.graph.protos import to_bytes
from edgeseg.manifest import PRECISION_NAME, Manifest
from edgeseg.runtime import Segmenter
from edgeseg.scenes.pictures import pictures
from edgeseg.spec import OutputKind, Precision
from tests.export import small_networks
from tests.exported_models import ExportedModels
from tests.graph import small_graphs as graphs
from tests.graph.precision.conversions import in_fp16, in_int8

IMAGES = pictures(range(20, 24), small_networks.SIZE_HW)
ANY_DROP = 100.0  # random weights say nothing of accuracy
CALIBRATION = Calibration(IMAGES, max_drop=ANY_DROP)


@pytest.fixture(scope="module")
def unet(exported: ExportedModels) -> Path:
    return exported(small_networks.unet, output_kind="labels").path


@pytest.fixture(scope="module", params=["onnx", "dense"])
def detector(request: pytest.FixtureRequest, exported: ExportedModels) -> Path:
    return exported(small_networks.mask_rcnn, lowering=request.param).path


def built(
    model: Path,
    folder: Path,
    precision: Precision,
    calibration: Calibration | None,
    backend: str = "onnxruntime",
) -> Built:
    request = Request(backend, precision, threads=1)
    return build_engine(model, folder, request=request, calibration=calibration)


def test_fp16_needs_no_images_and_is_half_the_size(unet: Path, tmp_path: Path) -> None:
    made = built(unet, tmp_path / "engine", "fp16", None)
    assert made.parity.passed
    assert made.precision is not None
    assert set(made.precision.layers.values()) == {"fp16"}
    assert set(made.precision.built or ()) == set(made.precision.layers)
    model = PortableModel.read(unet).model
    made_half, _ = in_fp16(unet, CALIBRATION)
    weights = [sum(array.nbytes for array in graphs.constants(m).values()) for m in (model, made_half)]
    assert weights[1] < 0.55 * weights[0]


def test_int8_computes_in_int8_and_says_what_does_not(unet: Path, tmp_path: Path) -> None:
    made = built(unet, tmp_path / "engine", "int8", CALIBRATION)
    assert made.parity.images == 2 + len(IMAGES)
    assert made.precision is not None
    assert made.precision.built == made.precision.layers
    reasons = {kept.reason for kept in made.precision.kept}
    assert reasons == {
        "ONNX Runtime has no int8 kernel for it on CPUs",
        "nothing that reads its output computes in int8",
    }
    assert list(made.precision.layers.values()).count("int8") == 10
    stored = json.loads((tmp_path / "engine" / PRECISION_NAME).read_text())
    assert stored["layers"] == made.precision.layers
    assert verify_engine(tmp_path / "engine", reference=unet).passed
    with Segmenter.open(tmp_path / "engine") as segment:
        assert segment(IMAGES[0]).labels.shape == small_networks.SIZE_HW


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_detectors_keep_their_contract(detector: Path, tmp_path: Path, precision: Precision) -> None:
    portable = PortableModel.read(detector)
    proto, spec = portable.proto, portable.spec
    if precision == "fp16":
        made, report = in_fp16(detector, CALIBRATION)
    else:
        made, report = in_int8(detector, CALIBRATION, "symmetric")
    assert list(report.layers.values()).count(precision) == len(report.layers)
    path = tmp_path / "converted.onnx"
    path.write_bytes(to_bytes(made))
    converted = onnx.load(path)
    assert converted.graph.input == proto.graph.input
    assert converted.graph.output == proto.graph.output
    assert PortableModel.read(path).spec == spec


def test_a_detector_in_fp16_finds_nearly_the_same(detector: Path, tmp_path: Path) -> None:
    figures = built(detector, tmp_path / "engine", "fp16", CALIBRATION).parity.figures
    assert figures["matched"] > 20
    assert figures["missed"] + figures["extra"] <= 1  # random weights: many ties


def test_int8_in_name_only_is_no_engine(unet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    symmetric = dataclasses.replace(facts.FACTS, int8={"cpu": "symmetric"})
    monkeypatch.setattr(facts, "FACTS", symmetric)
    with pytest.raises(EngineError, match=r"computes 13 of the 13 int8 layers in float .* in name only"):
        built(unet, tmp_path / "engine", "int8", CALIBRATION)
    assert not list(tmp_path.iterdir())


def test_int8_on_a_provider_without_it_is_refused(unet: Path, tmp_path: Path) -> None:
    request = Request(precision="int8", device="cuda")
    with pytest.raises(EngineError, match="int8 convolutions in float32 on cuda; use --device tensorrt"):
        build_engine(unet, tmp_path / "engine", request=request, calibration=CALIBRATION)


def test_int8_without_images_is_refused(unet: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="int8 needs images to measure ranges on; give --calibration"):
        built(unet, tmp_path / "engine", "int8", None)


def test_int8_that_costs_too_much_is_refused(unet: Path, tmp_path: Path) -> None:
    strict = Calibration(IMAGES, max_drop=0.0)
    with pytest.raises(EngineError, match=r"int8 costs .* points, 0 are allowed, and no layer can"):
        built(unet, tmp_path / "engine", "int8", strict)


@pytest.mark.parametrize("output_kind", ["labels", "logits"])
def test_openvino_computes_every_layer_in_int8(
    output_kind: OutputKind, exported: ExportedModels, tmp_path: Path
) -> None:
    """Also the last one, whether its output is the engine's or labels are made of it."""
    pytest.importorskip("openvino")
    path = exported(small_networks.unet, output_kind=output_kind).path
    made = built(path, tmp_path / "engine", "int8", CALIBRATION, "openvino")
    assert made.precision is not None
    assert made.precision.built == made.precision.layers
    assert set(made.precision.layers.values()) == {"int8"}


def test_an_engine_that_loses_more_than_its_graph_is_refused(
    unet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "can_try", lambda request: False)  # candidates run in ONNX Runtime, right

    class Shifted:
        """An engine with every label off by one."""

        def __init__(self, folder: Path, manifest: Manifest) -> None:
            self._engine = open_backend(folder, manifest)
            self.built_on = self._engine.built_on
            self.close = self._engine.close

        def infer(self, image: np.ndarray, /) -> dict[str, np.ndarray]:
            return {"labels": (self._engine.infer(image)["labels"] + 1) % 3}

    calibration = Calibration(IMAGES, max_drop=60.0)
    with pytest.raises(EngineError, match=r"engine of onnxruntime loses [0-9.]+ points, 60 are allowed"):
        build_engine(
            unet,
            tmp_path / "engine",
            open_engine=Shifted,
            request=Request(precision="int8", threads=1),
            calibration=calibration,
        )


def test_where_the_finished_engine_loses_too_much_the_search_goes_on(
    unet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ranges lose 0.4 in the graph and 0.6 in the engine, so the next may lose 0.3 in the graph."""
    monkeypatch.setattr(conversion, "saturates", lambda request, open_engine: False)
    losses = iter([0.4, 0.6, 0.25, 0.45])
    monkeypatch.setattr(Evaluator, "points_lost", lambda evaluator, run: next(losses))
    said: list[str] = []
    made = build_engine(
        unet,
        tmp_path / "engine",
        request=Request(precision="int8", threads=1),
        calibration=Calibration(IMAGES, max_drop=0.5),
        on_step=said.append,
    )
    assert made.precision is not None
    assert (made.precision.drop_points, made.precision.engine_drop_points) == (0.25, 0.45)
    assert made.precision.method == "percentile"
    assert sum("0.60 points, 0.5 are allowed" in step for step in said) == 1
    assert list(losses) == []


def test_an_engine_that_loses_too_much_again_and_again_is_refused(
    unet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "saturates", lambda request, open_engine: False)
    losses = iter([0.4, 0.6, 0.25, 0.55])  # no margin is left then
    monkeypatch.setattr(Evaluator, "points_lost", lambda evaluator, run: next(losses))
    with pytest.raises(EngineError, match=r"finished int8 engine of onnxruntime loses 0\.55 points"):
        built(unet, tmp_path / "engine", "int8", Calibration(IMAGES, max_drop=0.5))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_faster_backend_is_found_in_any_precision(
    unet: Path, tmp_path: Path, precision: Precision
) -> None:
    pytest.importorskip("openvino")
    made = built(unet, tmp_path / "engine", precision, CALIBRATION, "auto")
    assert made.manifest.precision == precision
    assert made.parity.passed
    assert made.precision is not None
    assert made.precision.built is not None


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_tensorrt_for_rtx_builds_what_is_lowered(unet: Path, tmp_path: Path, precision: Precision) -> None:
    pytest.importorskip("tensorrt_rtx")
    made = built(unet, tmp_path / "engine", precision, CALIBRATION, "tensorrt_rtx")
    assert made.parity.passed
    assert made.precision is not None
    assert set(made.precision.layers.values()) == {precision}


def test_images_of_the_calibration_are_read_in_batches_of_any_size(
    exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(small_networks.unet, batch=3).path
    assert built(path, tmp_path / "engine", "int8", CALIBRATION).parity.passed
