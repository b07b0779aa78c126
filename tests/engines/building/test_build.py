"""An engine is built when it computes what PyTorch computed, and only then."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgeseg.engines.backend import Backend, open_backend
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, ExportError, ParityError, UsageError
from edgeseg.graph.golden.golden import GOLDEN_NAME, Golden
from edgeseg.manifest import GOLDEN_KEY, PARITY_NAME, Manifest, read_manifest
from edgeseg.runtime import Segmenter
from edgeseg.scenes.pictures import picture
from tests.export import small_networks
from tests.exported_models import ExportedModels

BUILD = """
import sys
from pathlib import Path
for name in ("torch", "onnxscript", "safetensors"):
    sys.modules[name] = None
from edgeseg.cli import main
main(["build", sys.argv[1], "-o", sys.argv[2], "--threads", "1"])
"""


class Wrong:
    """An engine that shifts every label by one, as a faulty kernel might."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.built_on = backend.built_on

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        return {name: (array + 1) % 3 for name, array in self._backend.infer(image).items()}

    def close(self) -> None:
        self._backend.close()


def open_wrong(folder: Path, manifest: Manifest) -> Wrong:
    return Wrong(open_backend(folder, manifest))


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


@pytest.fixture(scope="module")
def engine(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine") / "unet"
    build_engine(model, folder)
    return folder


def test_options_are_the_fastest_of_those_measured(model: Path, tmp_path: Path) -> None:
    built = build_engine(model, tmp_path / "engine")
    assert built.manifest.options == built.measured[0].options
    medians = [entry.median_ms for entry in built.measured]
    assert medians == sorted(medians)
    assert built.parity.passed


def test_threads_are_taken_as_given(model: Path, tmp_path: Path) -> None:
    built = build_engine(model, tmp_path / "engine", request=Request(threads=1))
    assert {entry.options["intra_op_threads"] for entry in built.measured} == {1}


def test_the_engine_carries_its_proof_and_opens_without_the_model(engine: Path) -> None:
    assert json.loads((engine / PARITY_NAME).read_text())["passed"]
    assert verify_engine(engine).passed
    with Segmenter.open(engine) as segment:
        assert segment(picture(0, (100, 120))).labels.shape == (100, 120)


def test_the_engine_agrees_with_its_portable_model_on_other_images(engine: Path, model: Path) -> None:
    assert verify_engine(engine, reference=model).images == 6
    images = np.stack([picture(7, small_networks.SIZE_HW)])
    assert verify_engine(engine, reference=model, images=images).images == 3


def test_a_model_changed_after_its_export_is_not_built(model: Path, tmp_path: Path) -> None:
    changed = onnx.load(model)
    next(node for node in changed.graph.node if node.op_type == "Relu").op_type = "LeakyRelu"
    onnx.save(changed, tmp_path / "changed.onnx")
    with pytest.raises(ParityError, match="was changed since it was exported and proven"):
        build_engine(tmp_path / "changed.onnx", tmp_path / "engine")


def test_another_model_is_no_reference(engine: Path, exported: ExportedModels, tmp_path: Path) -> None:
    other = exported(small_networks.unet, 1, output_kind="logits").path
    for reference in (other, engine / "model.onnx", tmp_path / "none.onnx"):
        with pytest.raises(UsageError, match=r"was not built from|cannot be read"):
            verify_engine(engine, reference=reference)


@pytest.mark.parametrize("key", ["onnxruntime", "cpu", "vector_units"])
def test_an_engine_built_elsewhere_is_refused_with_the_command_that_fixes_it(engine: Path, key: str) -> None:
    manifest = read_manifest(engine)
    moved = dataclasses.replace(manifest, built_on={**manifest.built_on, key: "another"})
    with pytest.raises(EngineError, match=rf"for {key} another, here is .*: edgeseg build MODEL.onnx --b"):
        open_backend(engine, moved)


@pytest.fixture(scope="module")
def quiet(exported: ExportedModels) -> Path:
    """Give a detector that finds nothing."""
    return exported(small_networks.mask_rcnn, 1.0, max_detections=5).path


def test_a_detector_that_finds_nothing_is_proven_by_candidates_of_any_score(
    quiet: Path, tmp_path: Path
) -> None:
    engine = tmp_path / "engine"
    report = build_engine(quiet, engine, request=Request(threads=1)).parity
    assert report.figures["detections"] == 0
    assert "candidates of any score were compared: every intermediate value agrees" in report.notes[-1]
    assert verify_engine(engine).passed


def test_without_golden_intermediates_a_detector_that_finds_nothing_is_proven_by_images(
    quiet: Path, tmp_path: Path
) -> None:
    """As in files that older versions have written."""
    model = tmp_path / "quiet.onnx"
    proto = onnx.load(quiet)
    (entry,) = (entry for entry in proto.metadata_props if entry.key == GOLDEN_KEY)
    golden = Golden.from_json(entry.value)
    entry.value = dataclasses.replace(golden, intermediates=(), rules=None).to_json()
    onnx.save(proto, model)
    with pytest.raises(ParityError, match="give --images, a folder of pictures in which it finds something"):
        build_engine(model, tmp_path / "engine", request=Request(threads=1))


def test_a_wrong_engine_is_not_made(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="does not compute what PyTorch computes"):
        build_engine(model, tmp_path / "engine", open_engine=open_wrong)
    assert not list(tmp_path.iterdir())


def test_a_wrong_engine_does_not_verify(engine: Path) -> None:
    assert not verify_engine(engine, open_engine=open_wrong).passed


def test_an_engine_without_golden_outputs_says_so(model: Path, tmp_path: Path) -> None:
    build_engine(model, tmp_path / "engine", request=Request(threads=1))
    (tmp_path / "engine" / GOLDEN_NAME).unlink()
    with pytest.raises(EngineError, match=r"golden.json cannot be read.*build the engine again"):
        verify_engine(tmp_path / "engine")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.onnx").write_text("not a model")
    with pytest.raises(ExportError, match="is not an ONNX file"):
        build_engine(tmp_path / "notes.onnx", tmp_path / "engine")


def test_an_absent_provider_is_named_with_its_extra(model: Path, tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(EngineError, match=r"no CUDAExecutionProvider.*edgeseg\[gpu\]"):
        build_engine(model, tmp_path / "engine", request=Request(device="cuda"))
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_gpu_engine_computes_the_same(model: Path, tmp_path: Path, device: str) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("needs onnxruntime-gpu and a GPU")
    assert build_engine(model, tmp_path / "engine", request=Request(device=device)).parity.passed


def test_building_needs_nothing_of_the_training_side(model: Path, tmp_path: Path) -> None:
    """The extra `build` holds onnx alone."""
    command = [sys.executable, "-c", BUILD, str(model), str(tmp_path / "engine")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
