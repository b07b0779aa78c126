"""`edgeseg run` writes what it is asked for, refuses what it cannot, and says what was lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import status_of
from tests.cli.error_lines import error_line
from tests.runtime.fakes import GreyFrames, damage, encode_video, moving


def test_run_writes_what_was_asked_for(engine: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "v.mp4", tmp_path / "r.jsonl", tmp_path / "maps"]
    arguments = [part for path in outputs for part in ("-o", str(path))]
    assert status_of(["run", str(engine), "synthetic:64x48?frames=5", *arguments]) == 0
    assert cv2.VideoCapture(str(outputs[0])).get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert len(outputs[1].read_text().splitlines()) == 5
    assert len(list(outputs[2].glob("*.png"))) == 5


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


def test_a_camera_that_dies_is_waited_for_and_its_output_goes_on(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    camera = partial(GreyFrames, range(5), live=True)
    monkeypatch.setattr("edgeseg.runtime.streams.opening.open_source", lambda *_: camera())
    lines = tmp_path / "r.jsonl"
    arguments = ["run", str(engine), "0", "--policy", "every", "-o", str(lines), "--frames", "7"]
    assert status_of(arguments) == 0
    out, err = capfd.readouterr()
    assert "7 frames in" in out
    assert "down once" in out
    assert f"written: {lines}" in out
    said = [line for line in err.splitlines() if not line.startswith("frames:")]
    assert said[0].startswith("camera-0: waiting: grey stopped sending")
    assert len(lines.read_text().splitlines()) == 7


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
    def press_ctrl_c(*_: object) -> Iterator[Callable[[int], None]]:
        def advance(_: int) -> None:
            raise KeyboardInterrupt

        yield advance

    kept, lost = str(tmp_path / "r.jsonl"), str(tmp_path / "v.mp4")
    monkeypatch.setattr("edgeseg.runtime.sinks.video._count_frames", lambda _: 0)
    monkeypatch.setattr("edgeseg.cli.site_run.progress", press_ctrl_c)
    assert status_of(["run", str(engine), "synthetic:64x48?frames=2", "-o", kept, "-o", lost]) == 130
    out, err = capfd.readouterr()
    assert f"error: cannot write {lost}" in err
    assert f"written: {kept}" in out
    assert f"written: {lost}" not in out


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an engine that takes five channels of 16 bits."""
    folder = tmp_path_factory.mktemp("bands")
    network = folder / "net.py"
    network.write_text("from torch import nn\ndef build():\n    return nn.Conv2d(5, 3, 1)\n")
    pixels = ["--channels", "5", "--input-dtype", "uint16", "--mean", "0.3,0.3,0.2,0.2,0.1", "--std", "0.1"]
    model = str(folder / "m.onnx")
    export = [
        "export",
        f"{network}:build",
        "--size",
        "24x32",
        *pixels,
        "--channel-order",
        "stored",
        "-o",
        model,
    ]
    assert status_of(export) == 0
    assert status_of(["build", model, "--threads", "1", "--no-passes", "-o", str(folder / "e")]) == 0
    return folder / "e"


def test_a_folder_of_arrays_is_labelled_and_what_needs_pictures_is_refused(
    bands: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arrays, maps = tmp_path / "arrays", tmp_path / "maps"
    arrays.mkdir()
    for number in range(2):
        values = np.random.default_rng(number).integers(0, 40000, (30, 40, 5), np.uint16)
        np.save(arrays / f"{number}.npy", values)
    assert status_of(["run", str(bands), str(arrays), "-o", str(maps)]) == 0
    assert sorted(path.name for path in maps.glob("*.png")) == ["0.png", "1.png"]
    for source, options, message in [
        (arrays, ["-o", str(tmp_path / "v.mp4")], "overlays are drawn over a camera's pictures"),
        (arrays, ["--crf"], "a CRF looks at the colours of a camera's frame"),
        (arrays, ["--smooth", "-o", str(tmp_path / "r.jsonl")], "smoothing follows what moves in a camera's"),
        (arrays, ["--serve", "0"], "the page shows a camera's pictures"),
        (
            "synthetic:64x48",
            ["-o", str(tmp_path / "r.jsonl")],
            "which cameras, videos and photos do",
        ),
    ]:
        capfd.readouterr()
        assert status_of(["run", str(bands), str(source), *options]) in (1, 2)
        assert message in capfd.readouterr().err
    assert not (tmp_path / "v.mp4").exists()
