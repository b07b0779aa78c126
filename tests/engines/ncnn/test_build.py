"""ncnn engines of semantic networks pass the gate; detectors are refused by what runs them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, UsageError
from edgeseg.models.network import Network
from edgeseg.runtime import Engine
from edgeseg.scenes.pictures import pictures
from tests.export import small_networks
from tests.exported_models import ExportedModels

pytestmark = pytest.mark.skipif(find_spec("ncnn") is None, reason="ncnn is not installed")

ONE_THREAD = Request("ncnn", threads=1)


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (small_networks.unet, {"output_kind": "logits", "batch": 3}),
        (small_networks.deeplab, {"output_kind": "labels"}),
    ],
)
def test_semantic_networks_are_built_and_proven(
    make: Callable[..., Network], settings: dict[str, Any], exported: ExportedModels, tmp_path: Path
) -> None:
    built = build_engine(exported(make, **settings).path, tmp_path / "engine", request=ONE_THREAD)
    assert built.parity.passed
    assert built.parity.figures.get("max_relative_logit_error", 0) < 1e-5  # float32 indeed
    assert built.manifest.backend == "ncnn"
    assert set(built.manifest.built_on) == {"ncnn", "cpu", "vector_units"}
    assert verify_engine(tmp_path / "engine").passed
    images = pictures(range(30, 30 + built.manifest.spec.input.batch), small_networks.SIZE_HW)
    with Engine.open(tmp_path / "engine") as engine:
        together = engine.infer(images)
        for i, image in enumerate(images):  # alone, beside blank images
            for name, value in engine.infer(image[None]).items():
                np.testing.assert_array_equal(value[0], together[name][i])


@pytest.mark.parametrize("lowering", ["onnx", "dense"])
def test_detectors_are_refused_by_what_runs_them(
    lowering: str, exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(small_networks.mask_rcnn, lowering=lowering).path
    others = "onnxruntime or mnn or openvino" if lowering == "onnx" else "onnxruntime or openvino"
    problem = f"the detector: ncnn runs semantic networks alone; build it with --backend {others}$"
    with pytest.raises(EngineError, match=problem):
        build_engine(path, tmp_path / "engine", request=ONE_THREAD)
    assert not list(tmp_path.iterdir())


def test_other_precisions_are_for_other_backends() -> None:
    with pytest.raises(UsageError, match="ncnn does not compute in 'fp16'; that is for onnxruntime"):
        Request("ncnn", "fp16")


def test_threads_that_sleep_and_threads_that_spin_are_measured(
    exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(small_networks.unet, output_kind="labels").path
    built = build_engine(path, tmp_path / "engine", request=Request("ncnn", threads=2))
    assert [entry.options["threads"] for entry in built.measured] == [2, 2]
    assert {entry.options["spinning"] for entry in built.measured} == {False, True}
    assert built.manifest.options == built.measured[0].options
