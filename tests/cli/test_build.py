"""`edgeseg build` says what it measured, and refuses what does not fit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import pytest
import torch
from torch import nn

from edgeseg.cli import status_of
from edgeseg.cli.tables import beside_float_lines, measured_lines
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.tuning import Measured
from edgeseg.export.exporter import Settings, export_network
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.agreement import labels_at
from edgeseg.graph.precision.evaluator import Evaluator
from edgeseg.graph.running import open_run
from edgeseg.manifest import read_manifest, sha256_of
from edgeseg.models.network import Network
from edgeseg.scenes.pictures import picture
from tests.export import small_networks
from tests.exported_models import ExportedModels


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


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


def test_times_that_were_measured_before_are_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = ["build", str(model), "--threads", "1", "-o", str(tmp_path / "engine")]
    source = f"times measured before are from {tmp_path / 'edgeseg' / 'timings'}"
    for again, recalled in (([], False), ([], True), (["--measure-again"], False)):
        assert status_of([*command, *again]) == 0
        said = capsys.readouterr().out
        assert (", measured before)" in said, source in said) == (recalled, recalled)


def test_auto_says_what_it_compared(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    engine = tmp_path / "engine"
    assert status_of(["build", str(model), "--backend", "auto", "--threads", "1", "-o", str(engine)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(",")[0] for line in lines[:2]} <= {
        f"backend {name}" for name in ("mnn", "ncnn", "onnxruntime", "openvino")
    }
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
    assert status_of(["build", str(model), "--package", "--backend", "openvino", "-o", package]) == 0
    for options, backend in ([], "openvino"), (["--backend", "onnxruntime"], "onnxruntime"):
        engine = tmp_path / backend
        assert status_of(["build", package, *options, "--threads", "1", "-o", str(engine)]) == 0
        manifest = read_manifest(engine)
        assert manifest.backend == backend
        assert manifest.model_sha256 == sha256_of(model)
    assert status_of(["build", package, "--package", "-o", str(tmp_path / "again.edgeseg")]) == 2


def test_a_package_of_int8_builds_the_same_engine_without_images(model: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for seed in range(4):
        cv2.imwrite(str(images / f"{seed}.png"), picture(seed, small_networks.SIZE_HW))
    int8 = ["--backend", "onnxruntime", "--precision", "int8", "--max-drop", "100"]
    calibrated = [*int8, "--calibration", str(images)]
    package, direct, packed = (str(tmp_path / name) for name in ("unet.edgeseg", "direct", "packed"))
    assert status_of(["build", str(model), "--package", *calibrated, "-o", package]) == 0
    assert status_of(["build", package, "--threads", "1", "-o", packed]) == 0
    assert status_of(["build", str(model), *calibrated, "--threads", "1", "-o", direct]) == 0
    models = [read_manifest(Path(engine)).files["model.onnx"] for engine in (packed, direct)]
    assert models[0] == models[1]
    timed = ["--backend", "auto", "--precision", "int8", "--calibration", str(images)]
    assert status_of(["build", str(model), "--package", *timed, "-o", package]) == 2


def test_packing_has_one_name_in_the_help_and_keeps_its_first_one(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    packages = [tmp_path / f"{name}.edgeseg" for name in ("package", "portable")]
    for path in packages:
        assert status_of(["build", str(model), f"--{path.stem}", "-o", str(path)]) == 0
    assert packages[0].read_bytes() == packages[1].read_bytes()
    capfd.readouterr()
    assert status_of(["build", "--help"]) == 0
    help_text = capfd.readouterr().out
    assert "--package" in help_text
    assert "--portable" not in help_text


class Scores(nn.Module):
    """Scores a pixel by its colours as they are, or by one convolution of them."""

    def __init__(self, *, trained: bool) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 4, 1)
        self.trained = trained

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x) if self.trained else torch.cat([torch.full_like(x[:, :1], 0.25), x], 1)


@pytest.mark.parametrize(
    ("trained", "reason"),
    [
        (False, "it has no convolution or matrix product with trained weights"),
        (True, "each layer with weights stays in float in onnxruntime (nothing that reads its output"),
    ],
)
def test_a_network_without_a_layer_for_int8_is_refused_by_name(
    trained: bool, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network(Scores(trained=trained).eval(), "semantic", (0.0,) * 3, (1.0,) * 3)
    path, images = tmp_path / "scores.onnx", tmp_path / "images"
    export_network(network, path, Settings("scores", small_networks.SIZE_HW))
    images.mkdir()
    cv2.imwrite(str(images / "0.png"), picture(0, small_networks.SIZE_HW))
    arguments = ["build", str(path), "--precision", "int8", "--calibration", str(images)]
    assert status_of([*arguments, "-o", str(tmp_path / "engine")]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "nothing in this model can compute in int8: " in error
    assert reason in error
    assert "use --precision fp32 or fp16" in error
    assert not (tmp_path / "engine").exists()


@pytest.fixture
def labelled(model: Path, tmp_path: Path) -> list[str]:
    """Write images and the labels that fp32 gives them, but for a void corner; give the flags of a build."""
    images, maps = tmp_path / "images", tmp_path / "maps"
    images.mkdir()
    maps.mkdir()
    run, spec = open_run(model), PortableModel.read(model).spec
    for seed in range(4):
        image = picture(seed, small_networks.SIZE_HW)
        outputs = {name: array[0] for name, array in run(image[None]).items()}
        truth = labels_at(outputs, spec.head, small_networks.SIZE_HW).copy()
        truth[:8, :8] = 255
        cv2.imwrite(str(images / f"{seed}.png"), image)
        cv2.imwrite(str(maps / f"{seed}.png"), truth)
    return ["--precision", "int8", "--threads", "1", "--calibration", str(images), "--labels", str(maps)]


def test_with_labels_the_loss_is_in_true_points_and_fp32_is_measured_beside(
    model: Path, tmp_path: Path, labelled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build", str(model), *labelled, "--max-drop", "100", "-o", str(tmp_path / "engine")]
    assert status_of(arguments) == 0
    out = capsys.readouterr().out
    assert "points of mIoU against labels lost, fp32 has 100.00, on 4 images" in out
    assert "fp32 takes" in out
    assert "int8 takes" in out
    without = [flag for flag in labelled if flag != "--labels"][:-1]
    arguments = ["build", str(model), *without, "--max-drop", "100", "-o", str(tmp_path / "engine")]
    assert status_of(arguments) == 0
    assert "points of class overlap with fp32 lost (no labels) on 4 images" in capsys.readouterr().out


def test_labels_without_images_are_refused(
    model: Path, tmp_path: Path, labelled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build", str(model), "--precision", "fp16", *labelled[-2:], "-o", str(tmp_path / "engine")]
    assert status_of(arguments) == 2
    assert "--labels belong to the images of --calibration; give both" in capsys.readouterr().err


def test_an_interrupted_search_leaves_the_best_engine_so_far_and_the_next_build_goes_on(
    model: Path,
    tmp_path: Path,
    labelled: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All layers in int8 lose 2 points by every method, one group alone 0.1; then the user loses patience."""
    losses = iter([2.0, 2.0, 2.0, 2.0, 0.1, KeyboardInterrupt(), 0.1])  # the last is the finished engine's

    def points_lost(evaluator: Evaluator, run: object) -> float:
        loss = next(losses)
        if isinstance(loss, KeyboardInterrupt):
            raise loss
        return loss

    monkeypatch.setattr(Evaluator, "points_lost", points_lost)
    cache, engine = tmp_path / "cache.json", tmp_path / "engine"
    arguments = ["build", str(model), *labelled, "--calibration-cache", str(cache), "-o", str(engine)]
    assert status_of(arguments) == 130
    told = capsys.readouterr()
    assert "Ctrl-C keeps the best so far" in told.err
    assert "the search was interrupted: fewer layers in float may do" in told.out
    assert verify_engine(engine).passed
    losses = iter([3.0, KeyboardInterrupt(), 0.1])  # what was measured is not measured again
    assert status_of(arguments) == 130
    assert list(losses) == []


def test_int8_that_is_slower_is_called_so() -> None:
    int8, fp32 = (Measured({"precision": name}, 8.0, 15) for name in ("int8", "fp32"))
    slow = dataclasses.replace(int8, median_ms=9.5)
    assert beside_float_lines([int8, dataclasses.replace(fp32, median_ms=9.0)]) == [
        "int8 takes 8.0 ms, fp32 takes 9.0 ms"
    ]
    (line,) = beside_float_lines([fp32, slow])
    assert line.startswith("int8 takes 9.5 ms, fp32 takes 8.0 ms: int8 is slower than fp32 on this processor")
    assert beside_float_lines([]) == []
