"""A frame that can be read, and gives no result, is a row that says why."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, run_batch
from edgeseg.batch.entry import plan_batch
from edgeseg.batch.task import Done
from edgeseg.batch.work import Worker
from tests.batch.archives import picture, rows_of, write_tar
from tests.runtime.tiny_models import labels_engine


def test_no_room_for_the_copy_of_a_sample_is_no_fault_of_the_shard(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tar(tmp_path / "a.tar", {"0.png": picture(0)})
    planned, parts = plan_batch(settings, [str(tmp_path / "a.tar")], tmp_path / "out")
    parts.make_folders()
    with Worker(settings, parts) as worker:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
        assert worker.do(planned.missing[0]) == Done(0, 1, passing=True)
        (row,) = rows_of(tmp_path / "out")
        assert row["error"] == "cannot be copied to a temporary folder: No such file or directory; set TMPDIR"
        monkeypatch.undo()
        assert worker.do(planned.missing[0]) == Done(1, 0)


def test_frames_that_cannot_be_drawn_are_rows(settings: BatchSettings, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture(0))
    (tmp_path / "in" / "wide.png").write_bytes(
        cv2.imencode(".png", np.zeros((2, 66000, 3), np.uint8))[1].tobytes()
    )
    (tmp_path / "in" / f"{'n' * 250}.png").write_bytes(picture(0))
    drawn = BatchSettings(settings.engine, label_maps=True, overlays=True)
    report = run_batch(drawn, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert (report.frames, report.errors) == (1, 2)
    sound, named, wide = rows_of(tmp_path / "out")
    assert sound["error"] is None
    assert "is too long a name" in named["error"]
    assert "has nothing in overlays: cannot encode" in wide["error"]
    assert run_batch(drawn, [str(tmp_path / "in")], tmp_path / "out", workers=1).frames == 0


@pytest.mark.parametrize("batch", [1, 2])
def test_a_frame_that_the_network_does_not_take_is_a_row(tmp_path: Path, batch: int) -> None:
    (tmp_path / "in").mkdir()
    frame = np.zeros((48, 64, 3), np.float32)
    for number in range(3):
        np.save(tmp_path / "in" / f"{number}.npy", np.where(number == 1, np.float32(np.nan), frame))
    settings = BatchSettings(labels_engine(tmp_path / "engine", dtype="float32", batch=batch))
    planned, parts = plan_batch(settings, [str(tmp_path / "in")], tmp_path / "out")
    parts.make_folders()
    with Worker(settings, parts) as worker:
        done = [worker.do(piece) for piece in planned.missing]
    assert (sum(one.frames for one in done), sum(one.errors for one in done)) == (2, 1)
    assert not any(one.passing for one in done)
    first, failed, last = rows_of(tmp_path / "out")
    assert "no finite number (NaN, infinity)" in failed["error"]
    assert first["objects"] == last["objects"] != []
