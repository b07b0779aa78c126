"""A portable model proves itself again anywhere, and a changed one does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from edgeseg.errors import EdgesegError, ExportError, ParityError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import open_run
from edgeseg.manifest import GOLDEN_KEY, SPEC_KEY
from edgeseg.proof.verify import Further, verify, verify_model
from edgeseg.scenes.pictures import pictures
from tests.export.small_networks import SIZE_HW, mask_rcnn, unet
from tests.exported_models import ExportedModels

FEW_FLIPS, MANY_FLIPS = 13, 61  # damaged bytes that are tried, spread over the file and in its metadata

VERIFY = "import sys; sys.modules['torch'] = None; from pathlib import Path; "
VERIFY += "from edgeseg.proof.verify import verify_model; print(verify_model(Path(sys.argv[1])).passed)"


@pytest.fixture(scope="module")
def semantic(exported: ExportedModels) -> Path:
    return exported(unet, output_kind="labels").path


@pytest.fixture(scope="module")
def instance(exported: ExportedModels) -> Path:
    return exported(mask_rcnn, score_threshold=0.1, max_detections=20).path


def changed(source: Path, target: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(source)
    change(model)
    onnx.save(model, target)
    return target


def scale_first_weight(model: onnx.ModelProto, factor: float) -> None:
    """Change a single weight of the first convolution, as someone with an editor would."""
    name = next(node.input[1] for node in model.graph.node if node.op_type == "Conv")
    tensor = next(t for t in model.graph.initializer if t.name == name)
    weights = numpy_helper.to_array(tensor).copy()
    largest = np.abs(weights).argmax()
    weights.flat[largest] *= factor
    tensor.CopyFrom(numpy_helper.from_array(weights, name))


def set_metadata(model: onnx.ModelProto, key: str, value: str | None) -> None:
    kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != key}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, kept if value is None else {**kept, key: value})


@pytest.mark.parametrize("which", ["semantic", "instance"])
def test_a_model_proves_itself_without_torch(which: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(which)
    assert verify_model(path).passed
    alone = subprocess.run(
        [sys.executable, "-c", VERIFY, str(path)], capture_output=True, text=True, check=True
    )
    assert alone.stdout.strip() == "True"


@pytest.mark.parametrize("which", ["semantic", "instance"])
def test_one_changed_weight_changes_the_outputs(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path: Path = request.getfixturevalue(which)
    broken = changed(path, tmp_path / "broken.onnx", lambda model: scale_first_weight(model, -3.0))
    model = PortableModel.read(path)
    report = verify(open_run(broken), model.spec, model.golden)  # without looking at the weights
    assert not report.passed
    with pytest.raises(ParityError, match="its graph is not the one that was exported"):
        verify_model(broken).raise_if_failed(str(broken))


@pytest.mark.parametrize("which", ["semantic", "instance"])
def test_a_runtime_that_resizes_otherwise_is_noticed(
    which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path: Path = request.getfixturevalue(which)
    figures = verify_model(path).figures
    assert figures["frames"] == 3
    assert figures["frame_resize_error_levels"] <= 1

    def nearest(frame: NDArray[np.uint8], out: NDArray[np.uint8], by: str) -> None:
        cv2.resize(frame, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_NEAREST)

    monkeypatch.setattr("edgeseg.frames.preprocess.resize", nearest)
    report = verify_model(path)
    assert not report.passed
    assert "grey levels from what" in report.failures[0]


def test_a_model_exported_before_frames_were_proven_verifies_as_it_did(
    semantic: Path, tmp_path: Path
) -> None:
    golden = json.loads(PortableModel.read(semantic).golden.to_json())
    del golden["frames"]
    before = changed(
        semantic, tmp_path / "old.onnx", lambda model: set_metadata(model, GOLDEN_KEY, json.dumps(golden))
    )
    report = verify_model(before)
    assert report.passed
    assert "frames" not in report.figures


def test_one_weight_changed_in_its_last_digit_is_noticed(semantic: Path, tmp_path: Path) -> None:
    broken = changed(semantic, tmp_path / "broken.onnx", lambda model: scale_first_weight(model, 1 + 1e-6))
    assert verify_model(broken).failures == (
        "its graph is not the one that was exported (its sha256 differs)",
    )


def test_images_are_compared_with_a_reference(semantic: Path) -> None:
    run, images = open_run(semantic), pictures(range(7, 10), SIZE_HW)
    model = PortableModel.read(semantic)
    report = verify(run, model.spec, model.golden, further=Further.computed(run, images, 1))
    assert report.passed
    assert report.images == 5  # two golden ones, three given


def test_golden_outputs_are_small(semantic: Path, instance: Path) -> None:
    for path in (semantic, instance):
        metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        assert len(metadata[GOLDEN_KEY]) < 60_000


def test_files_that_are_no_portable_models(semantic: Path, tmp_path: Path) -> None:
    missing, text, empty = (tmp_path / name for name in ("missing", "text", "empty"))
    text.write_text("not a model")
    empty.write_bytes(b"")
    foreign = changed(semantic, tmp_path / "foreign", lambda model: set_metadata(model, SPEC_KEY, None))
    future = changed(
        semantic,
        tmp_path / "future",
        lambda model: set_metadata(model, SPEC_KEY, json.dumps({"schema_version": 99})),
    )
    for path, message in [
        (missing, "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (text, "is not an ONNX file"),
        (empty, "is not an ONNX file"),
        (foreign, "was not made by edgeseg"),
        (future, "schema version 99"),
    ]:
        with pytest.raises(ExportError, match=message) as caught:
            assert PortableModel.read(path).spec
        assert "\n" not in str(caught.value)


def test_a_model_without_golden_outputs(semantic: Path, tmp_path: Path) -> None:
    path = changed(semantic, tmp_path / "bare.onnx", lambda model: set_metadata(model, GOLDEN_KEY, None))
    with pytest.raises(ExportError, match="has no golden outputs; export it again"):
        verify_model(path)


def test_a_graph_that_onnx_runtime_refuses(semantic: Path, tmp_path: Path) -> None:
    def misspell(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = "Kast"

    with pytest.raises(ExportError, match="ONNX Runtime refuses the graph"):
        open_run(changed(semantic, tmp_path / "broken.onnx", misspell))


@pytest.mark.parametrize("flips", [FEW_FLIPS, pytest.param(MANY_FLIPS, marks=pytest.mark.minutes)])
def test_a_damaged_byte_fails_the_proof_in_one_line_or_is_no_harm(
    flips: int, semantic: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good, path = semantic.read_bytes(), tmp_path / "damaged.onnx"
    metadata = good.index(b"edgeseg.")
    messages = []
    for position in [*range(0, len(good), len(good) // flips), *range(metadata, metadata + flips)]:
        block = bytearray(good)
        block[position] ^= 0x80
        path.write_bytes(block)
        try:
            verify_model(path)
        except EdgesegError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)
    assert capfd.readouterr() == ("", "")
