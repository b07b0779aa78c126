"""`edgeseg build` says what it measured, and refuses what does not fit."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgeseg.bundle import read_manifest, sha256_of
from edgeseg.cli import status_of
from edgeseg.cli.tables import left_over_lines, measured_lines
from edgeseg.export.engines.tuning import Measured
from edgeseg.export.exporter import Settings, export_network
from edgeseg.export.pictures import picture
from tests.export import small_networks


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "unet.onnx"
    export_network(small_networks.unet(), path, Settings("unet", small_networks.SIZE_HW))
    return path


def test_candidates_are_named_by_what_differs() -> None:
    same = {"model_file": "model.onnx"}
    fast = Measured({**same, "threads": 2, "execution_mode": "parallel"}, 1.25, 15)
    slow = Measured({**same, "threads": 1, "execution_mode": "parallel"}, 2.0, 15)
    assert measured_lines([fast, slow]) == [
        "threads 2: 1.2 ms (median of 15)",
        "threads 1: 2.0 ms (median of 15)",
    ]
    assert measured_lines([fast]) == ["as asked: 1.2 ms (median of 15)"]
    assert measured_lines([]) == []


def test_what_fell_back_to_the_processor_is_counted_by_operator() -> None:
    nodes = ["NonMaxSuppression nms_1", "TopK topk_1", "NonMaxSuppression nms_2"]
    assert left_over_lines({"left_over": {"CPUExecutionProvider": nodes}}) == [
        "3 nodes fell back to CPUExecutionProvider: NonMaxSuppression (2), TopK (1)"
    ]
    assert left_over_lines({"left_over": {}}) == ["no node fell back to the CPU"]
    assert "not known" in left_over_lines({"left_over": None})[0]
    assert left_over_lines({}) == []


def test_auto_says_what_it_compared(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    engine = tmp_path / "engine"
    assert status_of(["build", str(model), "--backend", "auto", "--threads", "1", "-o", str(engine)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(",")[0] for line in lines[:2]} == {"backend onnxruntime", "backend openvino"}
    assert lines[0].startswith(f"backend {read_manifest(engine).backend},")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "cuda", "--backend", "auto"], "for cuda, name a --backend"),
        (["--computes-in", "bf16", "--backend", "openvino"], "an fp32 engine computes in f32"),
    ],
)
def test_what_does_not_fit_is_wrong_usage(
    options: list[str], message: str, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["build", str(model), *options, "-o", str(tmp_path / "engine")]) == 2
    assert message in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_package_is_built_as_it_was_packed_unless_the_device_says_otherwise(
    model: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    package = str(tmp_path / "unet.edgeseg")
    assert status_of(["build", str(model), "--portable", "--backend", "openvino", "-o", package]) == 0
    for options, backend in ([], "openvino"), (["--backend", "onnxruntime"], "onnxruntime"):
        engine = tmp_path / backend
        assert status_of(["build", package, *options, "--threads", "1", "-o", str(engine)]) == 0
        manifest = read_manifest(engine)
        assert manifest.backend == backend
        assert manifest.model_sha256 == sha256_of(model)
    assert status_of(["build", package, "--portable", "-o", str(tmp_path / "again.edgeseg")]) == 2


def test_a_package_of_int8_builds_the_same_engine_without_images(model: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for seed in range(4):
        cv2.imwrite(str(images / f"{seed}.png"), picture(seed, small_networks.SIZE_HW))
    int8 = ["--backend", "onnxruntime", "--precision", "int8", "--max-drop", "100"]
    calibrated = [*int8, "--calibration", str(images)]
    package, direct, packed = (str(tmp_path / name) for name in ("unet.edgeseg", "direct", "packed"))
    assert status_of(["build", str(model), "--portable", *calibrated, "-o", package]) == 0
    assert status_of(["build", package, "--threads", "1", "-o", packed]) == 0
    assert status_of(["build", str(model), *calibrated, "--threads", "1", "-o", direct]) == 0
    models = [read_manifest(Path(engine)).files["model.onnx"] for engine in (packed, direct)]
    assert models[0] == models[1]
    timed = ["--backend", "auto", "--precision", "int8", "--calibration", str(images)]
    assert status_of(["build", str(model), "--portable", *timed, "-o", package]) == 2
