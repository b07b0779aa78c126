"""No output destroys what a command reads, and one that cannot be written is found out before any work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import status_of


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_export_writes_over_nothing_that_it_reads(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    weights, names = tmp_path / "w.safetensors", tmp_path / "names.onnx"
    weights.write_bytes(b"trained for weeks")
    names.write_text("background\ncell\n")
    (tmp_path / "linked.onnx").symlink_to(weights)
    before = contents(tmp_path)
    for output, message in [
        (weights, f"must end in .onnx; write -o {tmp_path / 'w.onnx'}"),
        (tmp_path / "linked.onnx", "would be overwritten"),
        (names, "would be overwritten"),
        (tmp_path, "is a folder"),
    ]:
        arguments = ["--weights", str(weights), "--classes", str(names), "--size", "32x48"]
        assert status_of(["export", "unet", *arguments, "-o", str(output)]) == 2
        assert message in capfd.readouterr().err
    assert contents(tmp_path) == before


def test_nothing_is_written_into_the_engine(
    engine: Path, image: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = contents(engine)
    for arguments in [
        ["run", str(engine), str(image), "-o", f"{engine}/"],
        ["run", str(engine), str(image), "-o", f"{engine}/maps/"],
        ["run", str(engine), str(image), "-o", f"{engine}/../{engine.name}/r.jsonl"],
        ["profile", str(engine), str(image), "--json", f"{engine}/manifest.json"],
        ["profile", str(engine), str(image), "--json", f"{engine}/new.json"],
        ["profile", str(engine), str(image), "--html", f"{engine}/new.html"],
    ]:
        assert status_of(arguments) == 2, arguments
        assert "lies within the engine" in capfd.readouterr().err
    assert contents(engine) == before


def test_profile_looks_at_its_report_before_it_measures(
    engine: Path,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("edgeseg.runtime.profiling.profile.profile", fail)
    for option, path, status, message in [
        ("--json", image, 2, "would be overwritten"),
        ("--json", tmp_path, 2, "is a folder"),
        ("--json", image / "below.json", 1, "cannot write"),
        ("--html", image, 2, "would be overwritten"),
        ("--html", tmp_path, 2, "report.html"),
        ("--html", "-", 2, "takes the name of a file"),
    ]:
        assert status_of(["profile", str(engine), str(image), option, str(path)]) == status
        assert message in capfd.readouterr().err


def test_no_report_is_written_over_what_is_read_or_over_another_output(
    engine: Path, image: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pictures, model = tmp_path / "pictures", tmp_path / "model.onnx"
    pictures.mkdir()
    image = image.rename(pictures / "a.png")
    model.write_bytes(b"made with care")
    labelled = ["--images", str(pictures), "--labels", str(pictures)]
    new = str(tmp_path / "new.json")
    before = contents(tmp_path)
    for arguments, message in [
        (["evaluate", str(engine), *labelled, "--json", str(image)], "would be overwritten"),
        (["evaluate", str(engine), *labelled, "--json", new, "-o", new], "--json and -o are both"),
        (["fit-crf", str(engine), *labelled, "--json", str(image)], "would be overwritten"),
        (["fit-crf", str(engine), *labelled, "--json", f"{engine}/crf.json"], "lies within the engine"),
        (["batch", str(engine), str(image), "-o", new, "--json", new], "--json and -o are both"),
        (["batch", str(engine), str(image), "-o", "x", "--json", str(image)], "would be overwritten"),
        (["demo", "-o", new, "--json", new], "--json and -o are both"),
        (["tune", str(model), *labelled, "-o", new, "--json", new], "--json and -o are both"),
        (["tune", str(model), *labelled, "-o", "e", "--json", "e/r.json"], "lies within the engine"),
        (["tune", str(model), *labelled, "-o", "e", "--json", new, "--plot", new], "--json and --plot are"),
        (["tune", str(model), *labelled, "-o", "e", "--plot", str(image)], "would be overwritten"),
        (["profile", "--on", "nowhere", str(model), "--json", str(model)], "would be overwritten"),
        (
            ["profile", "--on", "nowhere", str(model), str(image), "--html", str(image)],
            "would be overwritten",
        ),
        (["doctor", "--json", str(tmp_path)], "is a folder"),
    ]:
        assert status_of(arguments) == 2, arguments
        assert message in capfd.readouterr().err, arguments
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "ENGINE", "synthetic:64x48?frames=1", "-o", ""],
        ["run", "ENGINE", "", "-o", "r.jsonl"],
        ["profile", "ENGINE", ""],
        ["profile", "ENGINE", "--json", ""],
        ["build", "x.onnx", "-o", ""],
        ["inspect", ""],
    ],
)
def test_an_unset_variable_is_not_the_working_folder(
    arguments: list[str], engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    cv2.imwrite("here.png", np.zeros((4, 4, 3), np.uint8))
    assert status_of([str(engine) if word == "ENGINE" else word for word in arguments]) == 2
    assert [path.name for path in work.iterdir()] == ["here.png"]


def test_names_that_are_not_utf_8_go_through(engine: Path, image: Path, tmp_path: Path) -> None:
    frames, lines = tmp_path / "frames", tmp_path / "r.jsonl"
    frames.mkdir()
    try:
        image.rename(frames / os.fsdecode(b"a\xff.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert status_of(["run", str(engine), str(frames), "-o", str(lines)]) == 0
    assert json.loads(lines.read_text())["name"] == "a?.png"


def test_an_ascii_terminal_gets_what_it_can_show(engine: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "30"}
    for arguments in (["doctor"], ["inspect", str(engine)]):
        command = [sys.executable, "-m", "edgeseg", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["r.jsonl", "./r.jsonl"], "given twice"),
        (["http://u:secret@127.0.0.1:1/a"] * 2, "given twice"),
        (["mqtt://u:secret@127.0.0.1:1/"], "must be mqtt"),
        (["nope://u:secret@127.0.0.1:1/"], "no kind of output"),
        (["r.xyz"], "no kind of output"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_the_camera_is_there(
    outputs: list[str], message: str, engine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = [word for output in outputs for word in ("-o", output)]
    assert status_of(["run", str(engine), "rtsp://127.0.0.1:1/camera", *flags]) == 2
    said = capfd.readouterr()
    assert message in said.err
    assert "secret" not in said.err
    assert said.out == ""


def test_one_address_for_several_streams_is_refused_without_its_password(
    engine: Path, image: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = "http://u:secret@127.0.0.1:1/hook"
    assert status_of(["run", str(engine), str(image), str(image), "-o", output]) == 2
    said = capfd.readouterr().err
    assert "-o http://***@127.0.0.1:1/hook cannot hold 2 streams; write {name} into its path" in said
    assert "secret" not in said
