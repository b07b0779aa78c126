"""OpenVINO engines of all kinds of network pass the gate that ONNX Runtime's pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.engines.backend import open_backend
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.openvino.build import _computes_in
from edgeseg.engines.openvino.open import OpenVINOBackend
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, ParityError, UsageError
from edgeseg.manifest import Manifest
from edgeseg.runtime import Engine
from edgeseg.scenes.pictures import pictures
from tests.export import small_networks
from tests.exported_models import ExportedModels

pytest.importorskip("openvino")

ONE_THREAD = Request("openvino", threads=1)


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet, output_kind="labels").path


@pytest.mark.parametrize(
    "settings", [{"lowering": "onnx"}, {"lowering": "dense", "batch": 3, "max_detections": 20}]
)
def test_networks_of_all_kinds_are_built_and_proven(
    settings: dict[str, Any], exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(small_networks.mask_rcnn, **settings).path
    built = build_engine(path, tmp_path / "engine", request=ONE_THREAD)
    assert built.parity.passed
    assert built.manifest.backend == "openvino"
    assert set(built.manifest.built_on) == {"openvino", "cpu", "vector_units"}
    assert verify_engine(tmp_path / "engine").passed
    images = pictures(range(30, 30 + built.manifest.spec.input.batch), small_networks.SIZE_HW)
    with Engine.open(tmp_path / "engine") as engine:
        together = engine.infer(images)
        for i, image in enumerate(images):  # alone, beside blank images
            for name, value in engine.infer(image[None]).items():
                np.testing.assert_array_equal(value[0], together[name][i])


def test_options_are_the_fastest_of_those_measured(model: Path, tmp_path: Path) -> None:
    built = build_engine(model, tmp_path / "engine", request=Request("openvino"))
    assert built.manifest.options == built.measured[0].options
    assert {entry.options["pinned"] for entry in built.measured} == {True, False}


def test_throughput_runs_several_images_side_by_side(model: Path, tmp_path: Path) -> None:
    request = Request("openvino", options={"hint": "throughput"})
    built = build_engine(model, tmp_path / "engine", request=request)
    assert {entry.options["streams"] for entry in built.measured} >= {1}
    backend = open_backend(tmp_path / "engine", built.manifest)
    assert isinstance(backend, OpenVINOBackend)
    assert backend.infer(pictures((1,), small_networks.SIZE_HW))["labels"].dtype == np.uint8


def test_float32_stays_float32_where_the_processor_has_less() -> None:
    capable = ["FP32", "FP16", "BF16", "INT8"]
    assert _computes_in(capable, Request("openvino"), keeps_float=False) == "f32"
    assert _computes_in(capable, Request("openvino", "int8"), keeps_float=False) == "f32"
    assert _computes_in(capable, Request("openvino", "fp16"), keeps_float=False) == "f16"
    assert _computes_in(["FP32", "BF16"], Request("openvino", "fp16"), keeps_float=False) == "bf16"
    assert _computes_in(["FP32"], Request("openvino", "fp16"), keeps_float=False) == "f32"
    asked = Request("openvino", "fp16", options={"computes_in": "f32"})
    assert _computes_in(capable, asked, keeps_float=False) == "f32"
    assert _computes_in(capable, Request("openvino", "fp16"), keeps_float=True) == "f32"
    with pytest.raises(UsageError, match="an fp32 engine computes in f32"):
        _computes_in(capable, Request("openvino", options={"computes_in": "bf16"}), keeps_float=False)


def test_a_wrong_engine_is_not_made(model: Path, tmp_path: Path) -> None:
    class Wrong:
        def __init__(self, folder: Path, manifest: Manifest) -> None:
            backend = open_backend(folder, manifest)
            self.built_on, self.close = backend.built_on, backend.close
            self.infer = lambda image: {n: (a + 1) % 3 for n, a in backend.infer(image).items()}

    with pytest.raises(ParityError, match="does not compute what PyTorch computes"):
        build_engine(model, tmp_path / "engine", open_engine=Wrong, request=ONE_THREAD)
    assert not list(tmp_path.iterdir())


def test_an_absent_device_is_one_line(model: Path, tmp_path: Path) -> None:
    import openvino

    if "GPU" in openvino.Core().available_devices:
        pytest.skip("this machine has an Intel GPU")
    with pytest.raises(EngineError, match=r"OpenVINO refuses .* on gpu") as caught:
        build_engine(model, tmp_path / "engine", request=Request("openvino", device="gpu"))
    assert "\n" not in str(caught.value)
