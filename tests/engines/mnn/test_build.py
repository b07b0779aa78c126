"""MNN engines of all kinds of network pass the gate; what MNN computes wrong does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edgeseg.engines.backend import open_backend
from edgeseg.engines.building import build
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, ParityError
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.models.network import Network
from edgeseg.runtime import Engine
from edgeseg.scenes.pictures import pictures
from tests.engines.mnn.test_open import converted
from tests.export import small_networks
from tests.exported_models import ExportedModels
from tests.runtime.tiny_models import MODEL_FILE, labels_engine

pytestmark = pytest.mark.skipif(find_spec("MNN") is None, reason="MNN is not installed")

ONE_THREAD = Request("mnn", threads=1)


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet, output_kind="labels").path


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (small_networks.unet, {"output_kind": "logits", "batch": 3}),
        (small_networks.deeplab, {"output_kind": "labels"}),
        (small_networks.mask_rcnn, {"lowering": "onnx"}),
    ],
)
def test_networks_of_all_kinds_are_built_and_proven(
    make: Callable[..., Network], settings: dict[str, Any], exported: ExportedModels, tmp_path: Path
) -> None:
    built = build_engine(exported(make, **settings).path, tmp_path / "engine", request=ONE_THREAD)
    assert built.parity.passed
    assert built.manifest.backend == "mnn"
    assert set(built.manifest.built_on) == {"mnn", "cpu", "vector_units"}
    assert verify_engine(tmp_path / "engine").passed
    images = pictures(range(30, 30 + built.manifest.spec.input.batch), small_networks.SIZE_HW)
    with Engine.open(tmp_path / "engine") as engine:
        together = engine.infer(images)
        for i, image in enumerate(images):  # alone, beside blank images
            for name, value in engine.infer(image[None]).items():
                np.testing.assert_array_equal(value[0], together[name][i])


def test_a_detector_that_finds_nothing_is_proven_by_its_intermediate_values(
    exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(small_networks.mask_rcnn, 1.0, lowering="onnx").path
    built = build_engine(path, tmp_path / "engine", request=ONE_THREAD)
    assert built.parity.passed
    assert built.parity.figures["matched"] == 0
    with Engine.open(tmp_path / "engine") as engine:
        outputs = engine.infer(pictures((30,), small_networks.SIZE_HW))
    assert {name: value.shape[1] for name, value in outputs.items()} == dict.fromkeys(outputs, 0)


def test_options_are_the_fastest_of_those_measured(model: Path, tmp_path: Path) -> None:
    built = build_engine(model, tmp_path / "engine", request=Request("mnn"))
    assert built.manifest.options == built.measured[0].options
    assert {entry.options["threads"] for entry in built.measured} >= {1}


def test_the_dense_lowering_is_refused_by_name(exported: ExportedModels, tmp_path: Path) -> None:
    path = exported(small_networks.mask_rcnn, lowering="dense").path
    with pytest.raises(EngineError, match=r"refuse the dense lowering: .* export with --lowering onnx"):
        build_engine(path, tmp_path / "engine", request=ONE_THREAD)
    assert not list(tmp_path.iterdir())


def test_the_gate_catches_what_mnn_makes_of_the_dense_lowering(
    exported: ExportedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported(small_networks.mask_rcnn, lowering="dense").path
    monkeypatch.setattr(build, "refuse_unfit", lambda model, backend: None)
    with pytest.raises(ParityError, match="does not compute what PyTorch computes"):
        build_engine(path, tmp_path / "engine", request=ONE_THREAD)
    assert not list(tmp_path.iterdir())


class Coarse:
    """An engine whose logits are wrong by 1 % of the largest one with large units of Winograd's."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._backend = open_backend(folder, manifest)
        self._share = 0.01 if manifest.options["winograd"] == "large" else 0.0
        self.built_on, self.close = self._backend.built_on, self._backend.close

    def infer(self, image: NDArray[np.uint8], /) -> dict[str, NDArray[Any]]:
        outputs = self._backend.infer(image)
        return {name: value + self._share * np.abs(value).max() for name, value in outputs.items()}


def test_units_that_round_too_much_are_turned_down_and_reported(
    exported: ExportedModels, tmp_path: Path
) -> None:
    path = exported(small_networks.unet, output_kind="logits", batch=3).path
    built = build_engine(path, tmp_path / "engine", open_engine=Coarse, request=ONE_THREAD)
    assert built.parity.passed
    assert built.manifest.options["winograd"] == "small"
    assert "it has winograd small, for it failed as it was fastest: " in built.parity.notes[-1]
    asked = Request("mnn", threads=1, options={"winograd": "large"})
    with pytest.raises(ParityError, match="does not compute what PyTorch computes"):
        build_engine(path, tmp_path / "other", open_engine=Coarse, request=asked)


def test_a_wrong_engine_is_not_made(model: Path, tmp_path: Path) -> None:
    class Wrong:
        def __init__(self, folder: Path, manifest: Manifest) -> None:
            backend = open_backend(folder, manifest)
            self.built_on, self.close = backend.built_on, backend.close
            self.infer = lambda image: {n: (a + 1) % 3 for n, a in backend.infer(image).items()}

    with pytest.raises(ParityError, match="does not compute what PyTorch computes"):
        build_engine(model, tmp_path / "engine", open_engine=Wrong, request=ONE_THREAD)
    assert not list(tmp_path.iterdir())


def test_an_operator_that_mnn_does_not_have_is_one_line(tmp_path: Path) -> None:
    """MNN converts it without a word, and fails, or dies of it, when it runs."""
    engine = labels_engine(tmp_path / "engine")
    graph = onnx.load(engine / MODEL_FILE)
    nodes = [
        helper.make_node("Cast", ["values"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Det", ["wide"], ["sizes"]),
        helper.make_node("Add", ["values", "sizes"], ["moved"]),
    ]
    greater = next(node for node in graph.graph.node if node.op_type == "Greater")
    greater.input[0] = "moved"
    position = list(graph.graph.node).index(greater)
    for node in reversed(nodes):
        graph.graph.node.insert(position, node)
    onnx.save(graph, engine / MODEL_FILE)
    folder = converted(engine)
    with pytest.raises(EngineError, match="MNN failed: ") as caught:
        open_backend(folder, read_manifest(folder)).infer(np.zeros((1, 32, 48, 3), np.uint8))
    assert "\n" not in str(caught.value)


def test_building_prints_nothing_of_mnns(model: Path, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
build_engine(Path({str(model)!r}), Path({str(tmp_path / "engine")!r}), request=Request("mnn", threads=1))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
