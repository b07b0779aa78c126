"""Commands end with the right status and one clear line, whatever they are given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import COMMANDS, status_of
from edgeseg.cli.images import read_images
from edgeseg.errors import SourceError
from edgeseg.spec import InputSpec
from tests.runtime.fakes import GreyFrames, damage, encode_video, moving
from tests.runtime.tiny_models import labels_engine


def error_line(capfd: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of([command, "--help"]) == 0
    assert f"Usage: edgeseg {command}" in capsys.readouterr().out


def test_help_is_quick_and_imports_no_engine() -> None:
    code = "import sys; from edgeseg.cli import status_of; status_of(['--help']); "
    code += "assert not {'torch', 'onnx', 'onnxruntime', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_run_writes_what_was_asked_for(engine: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "v.mp4", tmp_path / "r.jsonl", tmp_path / "maps"]
    arguments = [part for path in outputs for part in ("-o", str(path))]
    assert status_of(["run", str(engine), "synthetic:64x48?frames=5", *arguments]) == 0
    assert cv2.VideoCapture(str(outputs[0])).get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert len(outputs[1].read_text().splitlines()) == 5
    assert len(list(outputs[2].glob("*.png"))) == 5


def test_profile_json_has_the_promised_fields(engine: Path, image: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    assert status_of(["profile", str(engine), str(image), "--frames", "5", "--json", str(path)]) == 0
    profile = json.loads(path.read_text())
    assert {"latency_ms", "infer_ms", "stages", "throughput_fps", "load_ms", "peak_rss_mb"} <= set(profile)
    assert set(profile["stages"]["infer"]) == {"p50", "p90", "p99", "samples"}
    assert profile["infer_ms"]["samples"] == 5


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
    assert findings["parts"][0]["versions"]["onnxruntime"]
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


def test_an_endless_run_that_keeps_nothing_is_refused(
    engine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["run", str(engine), "synthetic:64x48"]) == 2
    assert "give -o, --show or --frames" in error_line(capfd)


def test_run_refuses_outputs_before_it_writes_anything(
    engine: Path, image: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    photo = image.rename(photos / "a.png")
    before = photo.read_bytes()
    maps = str(tmp_path / "maps")
    for source, outputs in [
        (photo, [maps, str(photos)]),
        (photos, [maps, str(photo)]),
        (photos, [maps, f"{maps}/"]),
        (photos, [maps, "r.avi"]),
    ]:
        assert status_of(["run", str(engine), str(source), "-o", outputs[0], "-o", outputs[1]]) == 2
        assert outputs[1].rstrip("/") in error_line(capfd)
    assert list(photos.iterdir()) == [photo]
    assert photo.read_bytes() == before
    assert not Path(maps).exists()


def test_a_run_without_frames_keeps_the_old_output(engine: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    old = tmp_path / "keep.mp4"
    old.write_bytes(b"old")
    assert status_of(["run", str(engine), str(tmp_path / "broken"), "-o", str(old)]) == 1
    assert old.read_bytes() == b"old"


def test_a_camera_that_dies_is_a_failure_with_its_output_kept(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    camera = partial(GreyFrames, range(5), live=True)
    monkeypatch.setattr("edgeseg.runtime.sources.open_source", lambda _: camera())
    lines = tmp_path / "r.jsonl"
    arguments = ["run", str(engine), "0", "--policy", "every", "-o", str(lines)]
    assert status_of(arguments) == 1
    out, err = capfd.readouterr()
    said = [line for line in err.splitlines() if not line.startswith("frames:")]
    assert said == ["error: grey stopped sending after 5 frames; check camera and network"]
    assert f"written: {lines}" in out
    assert len(lines.read_text().splitlines()) == 5
    assert status_of([*arguments, "--frames", "5"]) == 0


def test_a_run_that_loses_a_part_of_its_source_does_the_rest_and_fails(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = damage(encode_video(tmp_path / "v.avi", moving(12)), (5,))
    lines = tmp_path / "r.jsonl"
    assert status_of(["run", str(engine), str(path), "-o", str(lines)]) == 1
    out, err = capfd.readouterr()
    assert "11 frames in" in out
    assert "1 damaged or missing" in out
    assert f"skipped: 1 frame is damaged or missing in {path}" in err
    assert f"written: {lines}" in out
    indices = [json.loads(line)["index"] for line in lines.read_text().splitlines()]
    assert indices == [index for index in range(12) if index != 5]


def test_an_interrupted_run_says_what_went_wrong_and_what_is_there(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def press_ctrl_c(*_: object) -> Iterator[Callable[[], None]]:
        def advance() -> None:
            raise KeyboardInterrupt

        yield advance

    kept, lost = str(tmp_path / "r.jsonl"), str(tmp_path / "v.mp4")
    monkeypatch.setattr("edgeseg.runtime.sinks.video._count_frames", lambda _: 0)
    monkeypatch.setattr("edgeseg.cli.run.progress", press_ctrl_c)
    assert status_of(["run", str(engine), "synthetic:64x48?frames=2", "-o", kept, "-o", lost]) == 130
    out, err = capfd.readouterr()
    assert f"error: cannot write {lost}" in err
    assert f"written: {kept}" in out
    assert f"written: {lost}" not in out


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
    with pytest.raises(SourceError, match="synthetic: gave no frames"):
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


def test_doctor_names_devices(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino")
    monkeypatch.setenv("EDGESEG_CRF_KERNEL", "numpy")
    assert status_of(["doctor", "--json", "-"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert len(findings["openvino_devices"]) == len(openvino.Core().available_devices)
    assert findings["openvino_devices"][0].startswith("CPU: ")
    assert findings["nvidia_gpu"]
    assert findings["crf_kernel_in_use"] == "numpy"


def test_a_folder_of_type_stubs_is_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeseg.cli.doctor import version_of

    (tmp_path / "stubs_alone").mkdir()
    (tmp_path / "stubs_alone" / "__init__.pyi").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert version_of("stubs_alone") is None


def test_doctor_installs_no_second_onnx_runtime() -> None:
    from edgeseg.cli.doctor import fix_for_part
    from edgeseg.engines.onnxruntime.doctor import fix_for_provider

    assert fix_for_part("build", ["onnx"]) == "pip install 'edgeseg[build]'"
    assert fix_for_part("export", ["torch", "onnx", "onnxruntime"]) == "pip install 'edgeseg[export,cpu]'"
    assert fix_for_part("export", []) == ""
    assert fix_for_provider("gpu", []) == "pip install 'edgeseg[gpu]'"
    assert fix_for_provider("gpu", ["onnxruntime"]) == "pip uninstall onnxruntime; pip install 'edgeseg[gpu]'"


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
