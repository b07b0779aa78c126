"""A batch gives each frame of an archive one row, whoever computes it, and whatever is killed meanwhile."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, run_batch, spans
from edgeseg.batch.entry import plan_batch
from edgeseg.batch.parts import PARTS, TIMES
from edgeseg.errors import EngineError, SinkError, UsageError
from edgeseg.files import Claim
from edgeseg.frames.rle import decode
from edgeseg.runtime import Segmenter
from tests.batch.archives import bytes_of, rows_of, write_pictures, write_tar, write_video
from tests.runtime.tiny_models import instance_engine, labels_engine


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 pictures, a film of 60 frames, a picture and a film that are broken."""
    folder = tmp_path_factory.mktemp("archive")
    write_pictures(folder / "pictures", 30)
    write_video(folder / "film.mp4", frames=60, key_every=10)
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "broken.mp4").write_bytes(b"no film")
    return folder


def test_each_frame_has_a_row_and_a_broken_file_has_its_error(archive: Path, whole: Path) -> None:
    rows = rows_of(whole)
    assert len(rows) == 92
    assert [row["source"] for row in rows if row["error"]] == ["broken.mp4", "broken.png"]
    assert all("broken" in row["error"] for row in rows[:2])
    assert not any(str(archive) in row["error"] for row in rows[:2])  # it lies elsewhere on another machine
    film = [row for row in rows if row["source"] == "film.mp4"]
    assert [row["index"] for row in film] == list(range(60))
    assert [row["media_s"] for row in film] == pytest.approx([number / 10 for number in range(60)])
    assert len(list((whole / TIMES).iterdir())) == len(list((whole / PARTS).iterdir()))


def test_a_row_holds_what_the_runtime_finds(archive: Path, settings: BatchSettings, whole: Path) -> None:
    (row,) = [row for row in rows_of(whole) if row["source"] == "pictures/7.png"]
    with Segmenter.open(settings.engine) as segment:
        labels = segment(cv2.imread(str(archive / "pictures" / "7.png"))).labels
    assert (row["height"], row["width"]) == labels.shape
    for found in row["objects"]:
        mask = labels == found["class_id"]
        assert found["area"] == mask.sum()
        assert found["class_name"] == ("dark", "bright")[found["class_id"]]
        assert (decode(found["rle"]) == mask).all()


def test_several_processes_and_spans_write_the_same_bytes(
    archive: Path, settings: BatchSettings, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = run_batch(settings, [str(archive)], tmp_path / "two", workers=2)
    assert (two.files, two.frames, two.errors, two.done_before) == (33, 90, 2, 0)
    assert bytes_of(tmp_path / "two") == bytes_of(whole)
    monkeypatch.setattr(spans, "SPAN_S", 1.0)
    report = run_batch(settings, [str(archive)], tmp_path / "spans", workers=2)
    assert report.pieces > len(list((whole / PARTS).iterdir()))
    assert rows_of(tmp_path / "spans") == rows_of(whole)


def test_a_second_run_does_what_is_new_or_changed(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 40)
    output = tmp_path / "out"
    run_batch(settings, [str(tmp_path / "in")], output, workers=1)
    again = run_batch(settings, [str(tmp_path / "in")], output, workers=1)
    assert (again.frames, again.done_before, again.removed) == (0, again.pieces, 0)
    write_pictures(tmp_path / "in", 1, first=39)
    os.utime(tmp_path / "in" / "39.png", ns=(1, 1))
    changed = run_batch(settings, [str(tmp_path / "in")], output, workers=1)
    assert 1 <= changed.frames < 40
    assert changed.removed == 1
    assert sorted(row["source"] for row in rows_of(output)) == sorted(f"{n}.png" for n in range(40))


def test_results_of_another_engine_take_the_place_of_the_first(
    settings: BatchSettings, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "in", 3)
    run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    other = BatchSettings(instance_engine(tmp_path / "other", [[4, 4, 40, 30]], [0.9]))
    report = run_batch(other, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert (report.frames, report.done_before) == (3, 0)
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 3
    assert all(found["score"] is not None and len(found["bbox"]) == 4 for found in rows[0]["objects"])


def test_frames_of_several_files_fill_an_engines_batch(tmp_path: Path, whole: Path, archive: Path) -> None:
    by_four = BatchSettings(labels_engine(tmp_path / "engine", batch=4))
    run_batch(by_four, [str(archive)], tmp_path / "out", workers=1)
    assert rows_of(tmp_path / "out") == rows_of(whole)


def test_label_maps_and_overlays_are_named_by_their_files(
    archive: Path, settings: BatchSettings, tmp_path: Path
) -> None:
    drawn = BatchSettings(settings.engine, label_maps=True, overlays=True)
    run_batch(drawn, [str(archive)], tmp_path / "out", workers=1)
    assert (tmp_path / "out" / "labels" / "film.mp4" / "000059.png").is_file()
    assert len(list((tmp_path / "out" / "labels" / "pictures").iterdir())) == 30
    assert (tmp_path / "out" / "overlays" / "pictures" / "7.png.jpg").is_file()
    names = [one["name"] for one in json.loads((tmp_path / "out" / "labels" / "classes.json").read_text())]
    assert names == ["dark", "bright"]
    with Segmenter.open(settings.engine) as segment:
        labels = segment(cv2.imread(str(archive / "pictures" / "7.png"))).labels
    written = cv2.imread(str(tmp_path / "out" / "labels" / "pictures" / "7.png.png"), cv2.IMREAD_UNCHANGED)
    assert (written == labels).all()


@pytest.mark.slow
def test_a_run_that_is_killed_is_gone_on_with(
    archive: Path, settings: BatchSettings, whole: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "edgeseg",
        "batch",
        str(settings.engine),
        str(archive),
        "-o",
        str(output),
    ]
    run = subprocess.Popen([*command, "--workers", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(output.glob("parts/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    run.kill()
    run.wait()
    before = len(list(output.glob("parts/*.parquet")))
    report = run_batch(settings, [str(archive)], output, workers=2)
    assert report.done_before >= before >= 1
    assert bytes_of(output) == bytes_of(whole)


def test_an_engine_that_cannot_be_opened_is_an_error_of_the_run(
    archive: Path, settings: BatchSettings, tmp_path: Path
) -> None:
    broken = shutil.copytree(settings.engine, tmp_path / "engine")
    next(broken.glob("*.onnx")).write_bytes(b"")
    with pytest.raises(EngineError, match="is not the file that was built"):
        run_batch(BatchSettings(broken), [str(archive)], tmp_path / "out", workers=1)


def test_one_run_writes_a_folder_at_a_time(archive: Path, settings: BatchSettings, tmp_path: Path) -> None:
    with Claim(tmp_path / "out" / "batch"), pytest.raises(SinkError, match="another run writes"):
        run_batch(settings, [str(archive)], tmp_path / "out", workers=1)


def test_results_inside_of_the_archive_are_not_segmented(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    drawn = BatchSettings(settings.engine, overlays=True)
    run_batch(drawn, [str(tmp_path)], tmp_path / "out", workers=1)
    assert run_batch(drawn, [str(tmp_path)], tmp_path / "out", workers=1).files == 2
    with pytest.raises(UsageError, match="all that was found are results in "):
        run_batch(drawn, [str(tmp_path / "out" / "overlays")], tmp_path / "out", workers=1)


def test_results_may_lie_where_the_archive_does(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in", 2)
    monkeypatch.chdir(tmp_path)
    drawn = BatchSettings(settings.engine, overlays=True)
    assert run_batch(drawn, ["**"], ".", workers=1).frames == 2
    again = run_batch(drawn, [str(tmp_path)], ".", workers=1)
    assert (again.files, again.frames, again.removed, again.left_out) == (2, 0, 0, 0)


def test_a_file_that_two_inputs_hold_is_there_once(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path / "in" / "a", 2)
    (tmp_path / "link").symlink_to(tmp_path / "in" / "a")
    inputs = [str(tmp_path / "link"), str(tmp_path / "in"), str(tmp_path / "in" / "a" / "1.png")]
    planned, _ = plan_batch(settings, inputs, tmp_path / "out")
    assert [file.name for file in planned.archive.files] == ["a/0.png", "a/1.png"]


def test_what_is_written_into_the_engine_and_what_is_empty_is_refused(
    settings: BatchSettings, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "in", 1)
    for output in (settings.engine, settings.engine / "results"):
        with pytest.raises(UsageError, match="lies within the engine, which stays as built"):
            run_batch(settings, [str(tmp_path / "in")], output)
    with pytest.raises(UsageError, match="an INPUT is empty; is a shell variable unset"):
        plan_batch(settings, [str(tmp_path / "in"), ""], tmp_path / "out")


def test_pictures_of_16_bits_are_scaled_file_by_file_and_that_is_told(
    settings: BatchSettings, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name, value in (("dark", 10_000), ("full", 60_000)):
        cv2.imwrite(str(tmp_path / "in" / f"{name}.png"), np.full((48, 64, 3), value, np.uint16))
    both = run_batch(settings, [str(tmp_path / "in")], tmp_path / "both", workers=1)
    assert (both.noted, both.notes) == (
        1,
        [
            "16-bit values in dark.png are taken for 14-bit ones and divided by 64 (the largest is 10000), "
            "not by 256"
        ],
    )
    alone = run_batch(settings, [str(tmp_path / "in" / "dark.png")], tmp_path / "alone", workers=1)
    assert alone.notes == both.notes
    assert rows_of(tmp_path / "alone") == rows_of(tmp_path / "both")[:1]


def test_networks_of_arrays_take_files_of_arrays(tmp_path: Path) -> None:
    settings = BatchSettings(labels_engine(tmp_path / "engine", dtype="uint16"))
    (tmp_path / "in").mkdir()
    image = np.zeros((48, 64, 3), np.uint16)
    image[:, :9] = 60_000
    np.save(tmp_path / "in" / "a.npy", image)
    buffer = io.BytesIO()
    np.save(buffer, image)
    write_tar(tmp_path / "in" / "b.tar", {"0.npy": buffer.getvalue()})
    write_video(tmp_path / "in" / "film.mp4", frames=1, key_every=1)
    arrays = BatchSettings(settings.engine, image="npy")
    report = run_batch(arrays, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert (report.files, report.left_out, report.frames, report.errors) == (2, 1, 2, 0)
    array, sample = rows_of(tmp_path / "out")
    assert array["objects"] == sample["objects"] != []


def test_a_name_is_a_name_wherever_it_lies(settings: BatchSettings, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        write_pictures(Path(folder), 1)
        (Path(folder) / "0.png").rename(Path(folder) / "a#size=1x1.png")
        assert run_batch(settings, [folder], tmp_path / "out", workers=1).frames == 1
