"""Commands end with the right status and one clear line, whatever they are given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import COMMANDS, status_of
from edgeseg.cli.images import read_images
from edgeseg.errors import SourceError
from edgeseg.runtime.profiling.page import html_page
from edgeseg.runtime.profiling.report import read_profile
from edgeseg.spec import InputSpec
from tests.cli.error_lines import error_line
from tests.runtime.tiny_models import labels_engine


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of([command, "--help"]) == 0
    assert f"Usage: edgeseg {command}" in capsys.readouterr().out


def test_help_is_quick_and_imports_no_engine() -> None:
    code = "import sys; from edgeseg.cli import status_of; status_of(['--help']); "
    code += "assert not {'torch', 'onnx', 'onnxruntime', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_profile_json_has_the_promised_fields(engine: Path, image: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    assert status_of(["profile", str(engine), str(image), "--frames", "5", "--json", str(path)]) == 0
    profile = json.loads(path.read_text())
    assert {"latency_ms", "infer_ms", "stages", "throughput_fps", "load_ms", "peak_rss_mb"} <= set(profile)
    assert set(profile["stages"]["infer"]) == {"p50", "p90", "p99", "max", "samples", "intervals", "enough"}
    assert profile["infer_ms"]["samples"] == 5


def test_profile_writes_a_page(engine: Path, image: Path, tmp_path: Path) -> None:
    report, page = tmp_path / "profile.json", tmp_path / "profile.html"
    arguments = [
        "profile",
        str(engine),
        str(image),
        "--frames",
        "5",
        "--json",
        str(report),
        "--html",
        str(page),
    ]
    assert status_of(arguments) == 0
    assert page.read_text() == html_page(read_profile(report))
    assert (
        status_of(["profile", str(engine), str(engine), str(image), "--frames", "5", "--html", str(page)])
        == 0
    )
    assert "Which is faster" in page.read_text()


def test_run_and_profile_take_engines_of_batches(tmp_path: Path) -> None:
    one, three = (labels_engine(tmp_path / str(batch), batch=batch) for batch in (1, 3))
    maps = [tmp_path / f"maps-{engine.name}" for engine in (one, three)]
    for engine, folder in zip((one, three), maps, strict=True):
        assert status_of(["run", str(engine), "synthetic:64x48?frames=5", "-o", str(folder)]) == 0
    pictures = [[path.read_bytes() for path in sorted(folder.glob("*.png"))] for folder in maps]
    assert len(pictures[0]) == 5
    assert pictures[0] == pictures[1]
    assert status_of(["profile", str(three), "synthetic:64x48", "--frames", "2", "--warmup", "0"]) == 0


def test_inspect_and_doctor_print_json(
    engine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status_of(["inspect", str(engine), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes"] == ["dark", "bright"]
    assert found["normalisation"].startswith("RGB in 0..1, mean ")
    monkeypatch.setenv("EDGESEG_CRF_KERNEL", "fast")
    assert status_of(["doctor", "--json", "-"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert any("onnxruntime" in part["versions"] for part in findings["parts"])
    assert "must be one of avx2, baseline, numpy, got 'fast'" in findings["crf_kernel_in_use"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["segment"],
        ["run"],
        ["run", "engine", "0", "--frames", "0"],
        ["export", "unet", "-o", "x.onnx"],
        ["export", "unett", "-o", "x.onnx"],
        ["export", "unet", "--weights", "w.pth", "--size", "640", "-o", "x.onnx"],
        ["build", "x.onnx", "-o", "engine", "--precision", "int8"],
        ["build", "x.onnx", "-o", "engine", "--backend", "abacus"],
        ["verify", "x.onnx", "--images", "."],
        ["inspect", "nowhere"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert status_of(arguments) == 2
    assert capfd.readouterr().err


def test_the_unforeseen_is_one_line_too(
    engine: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LookupError("two\nlines")

    monkeypatch.setattr("edgeseg.runtime.sources.open_source", fail)
    arguments = ["run", str(engine), "0"]
    monkeypatch.delenv("EDGESEG_TRACEBACK", raising=False)
    assert status_of(arguments) == 1
    assert capfd.readouterr().err == "error: unexpected LookupError: two (EDGESEG_TRACEBACK=1 shows where)\n"
    monkeypatch.setenv("EDGESEG_TRACEBACK", "1")
    assert status_of(arguments) == 1
    assert "Traceback" in capfd.readouterr().err


def test_images_of_a_source_without_frames_are_an_error() -> None:
    with pytest.raises(SourceError, match=r"synthetic:\S* gave no frames"):
        read_images(Path("synthetic:64x48?frames=0"), InputSpec(48, 64))


def test_bad_input_is_one_line(engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 4096)
    (tmp_path / "theirs.onnx").write_bytes(b"\x08\x07")
    for arguments, message in [
        (["run", str(engine), str(tmp_path / "no.mp4")], "no file or folder"),
        (["run", str(engine), str(tmp_path / "empty.png"), "--frames", "1"], "empty"),
        (["run", str(engine), str(tmp_path / "broken.mp4"), "--frames", "1"], "broken.mp4"),
        (["run", str(tmp_path / "theirs.onnx"), "0"], "not an engine"),
        (["run", str(tmp_path), "0"], "not an engine"),
        (["inspect", str(tmp_path / "theirs.onnx")], "not an ONNX file"),
        (["build", str(tmp_path / "no.onnx"), "-o", str(tmp_path / "e")], "cannot be read"),
    ]:
        assert status_of(arguments) == 1, arguments
        assert message in error_line(capfd)


def test_odd_images_run(engine: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape, dtype in [
        ("grey", (30, 40), np.uint8),
        ("alpha", (30, 40, 4), np.uint8),
        ("deep", (30, 40, 3), np.uint16),
        ("point", (1, 1, 3), np.uint8),
        ("huge", (4320, 7680, 3), np.uint8),
    ]:
        cv2.imwrite(
            str(folder / f"{name}.png"), rng.integers(0, 2, shape).astype(dtype) * np.iinfo(dtype).max
        )
    assert status_of(["run", str(engine), str(folder), "-o", str(tmp_path / "maps")]) == 0
    sizes = {
        path.stem: cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape
        for path in (tmp_path / "maps").glob("*.png")
    }
    assert sizes["huge"] == (4320, 7680)
    assert sizes["point"] == (1, 1)
    assert len(sizes) == 5


def test_a_changed_engine_is_refused(engine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (engine / "model.onnx").open("ab") as file:
        file.write(b"x")
    assert status_of(["run", str(engine), "synthetic:64x48?frames=1"]) == 1
    assert "its sha256 differs" in error_line(capfd)


def test_a_full_disk_is_one_line(engine: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    assert (
        status_of(["run", str(engine), "synthetic:64x48?frames=3", "-o", str(tmp_path / "full.jsonl")]) == 1
    )
    assert "No space left" in error_line(capfd)


def test_a_closed_pipe_ends_quietly(engine: Path) -> None:
    command = f"{sys.executable} -m edgeseg inspect {engine} --json | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("redirection", "status", "said"),
    [
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        (">/dev/full", 1, "error: system: No space left on device\n"),
    ],
)
def test_outputs_that_nobody_reads_end_it_quietly(
    engine: Path, redirection: str, status: int, said: str
) -> None:
    command = f"{sys.executable} -m edgeseg inspect {engine} {redirection}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, said)


def test_class_names_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = labels_engine(tmp_path / "engine")
    manifest = engine / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"bright"', '"[/red]\\u001b[31m"'))
    assert status_of(["inspect", str(engine)]) == 0
    assert r"[/red]\x1b[31m" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["profile", "engine", "--seconds", "nan"],
        ["run", "engine", "x", "--crf", "--budget-ms", "inf"],
        ["run", "engine", "x", "--frames", "99999999999999999999"],
        ["run", "engine", "x", "--score-threshold", "nan"],
        ["export", "unet", "--size", "99999999999999999999x8", "-o", "x.onnx"],
        ["export", "unet", "--size", "16385x8", "-o", "x.onnx"],
        ["export", "unet", "--mean", "nan", "-o", "x.onnx"],
        ["export", "unet", "--norm-eps", "inf", "-o", "x.onnx"],
        ["build", "x.onnx", "--max-drop", "nan", "-o", "e"],
        ["build", "x.onnx", "--contexts", "0", "-o", "e"],
        ["--limit", "bytes=much", "doctor"],
    ],
)
def test_numbers_without_meaning_are_usage_errors(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert status_of(arguments) == 2
    assert "unexpected" not in capfd.readouterr().err


def test_a_pipe_in_the_place_of_any_file_is_refused_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for arguments in (
        ["inspect", str(pipe)],
        ["verify", str(pipe)],
        ["build", str(pipe), "-o", str(tmp_path / "e")],
        ["export", "unet", "--weights", str(pipe), "--size", "64x64", "-o", str(tmp_path / "x.onnx")],
    ):
        assert status_of(arguments) == 1
        assert "it is a pipe, not a file" in error_line(capfd)


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("onnx", ["build", "m.onnx", "-o", "engine"], "build"),
        ("onnx_ir", ["build", "m.onnx", "-o", "engine"], "build"),
        ("onnx", ["verify", "m.onnx"], "build"),
        ("onnx", ["inspect", "m.onnx"], "build"),
        ("onnx", ["export", "unet", "--weights", "w.pth", "--size", "64x64", "-o", "x.onnx"], "export"),
        ("safetensors", ["inspect", "w.pth"], "export"),
        ("onnxruntime", ["run", "engine", "0", "--frames", "1"], "cpu"),
    ],
)
def test_a_missing_package_names_the_extra_of_the_command(
    missing: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    labels_engine(tmp_path / "engine")
    for name in ("m.onnx", "w.pth"):
        (tmp_path / name).touch()
    code = f"import sys; sys.modules[{missing!r}] = None; from edgeseg.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert (
        done.stderr.strip().splitlines()[-1]
        == f"error: {missing} is not installed; run: pip install 'edgeseg[{extra}]'"
    )


def test_missing_torch_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    (tmp_path / "w.pth").touch()
    code = "import sys; sys.path.insert(0, '.'); from edgeseg.cli import main; main(sys.argv[1:])"
    arguments = ["export", "unet", "--weights", "w.pth", "--size", "64x64", "-o", "x.onnx"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "error: torch is not installed; run: pip install 'edgeseg[export]'"
