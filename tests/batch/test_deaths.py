"""Whatever kills a batch's processes, all beside it has its results, and no sound file is blamed for good."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, crew, run_batch
from edgeseg.batch.crew import Crew
from edgeseg.batch.deadly import Survivors
from edgeseg.batch.entry import plan_batch
from edgeseg.batch.parts import PARTS
from edgeseg.errors import EngineError
from tests.batch.archives import bytes_of, rows_of, samples, write_pictures, write_tar, write_video
from tests.batch.deadly import FAILING, deadly_picture, have_a_fault
from tests.runtime.tiny_models import labels_engine

STORM_S = 0.8  # in which some ten processes are born and die
ENDED_S = 10.0  # that an orphan has to end in; it takes moments


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_pictures(folder / "pictures", 40)
    write_video(folder / "film.mp4", frames=30, key_every=10)
    return folder


@pytest.mark.slow
def test_processes_that_are_killed_at_any_time_lose_and_double_nothing(
    archive: Path, settings: BatchSettings, whole: Path, tmp_path: Path
) -> None:
    planned, parts = plan_batch(settings, [str(archive)], tmp_path / "out")
    parts.make_folders()
    chosen = random.Random(0)
    done = []
    with Crew(settings, parts, 2) as workers:
        for piece, _ in Survivors(workers, parts).do(planned.missing):
            done.append(piece)
            if len(done) % 2:
                how = chosen.choice((signal.SIGKILL, signal.SIGRTMIN + 6))
                os.kill(chosen.choice(workers.process_ids), how)
    assert len(done) == len(set(done)) == len(planned.missing)
    assert bytes_of(tmp_path / "out") == bytes_of(whole)


def test_all_processes_killed_again_and_again_blame_no_file(
    archive: Path, settings: BatchSettings, whole: Path, tmp_path: Path
) -> None:
    planned, parts = plan_batch(settings, [str(archive)], tmp_path / "out")
    parts.make_folders()
    with Crew(settings, parts, 2) as workers:

        def kill_all() -> None:
            end_s = time.monotonic() + STORM_S
            while time.monotonic() < end_s:
                for process in list(workers.process_ids):
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                time.sleep(0.01)

        killer: threading.Thread | None = None
        for _ in Survivors(workers, parts).do(planned.missing):
            if killer is None:
                killer = threading.Thread(target=kill_all)
                killer.start()
    assert killer is not None
    killer.join()
    assert bytes_of(tmp_path / "out") == bytes_of(whole)


def test_what_kills_is_a_row_and_all_beside_it_has_results(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "TRIES", 1)
    write_pictures(tmp_path / "in", 20)
    members = samples(20)
    write_tar(tmp_path / "in" / "a.tar", members)
    run_batch(settings, [str(tmp_path / "in")], tmp_path / "calm", workers=2)
    (tmp_path / "in" / "4.png").write_bytes(deadly_picture(4))
    (tmp_path / "in" / "5.png").write_bytes(deadly_picture(5, FAILING))
    write_tar(tmp_path / "in" / "a.tar", {**members, "000017.png": deadly_picture(17)})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with monkeypatch.context() as patch:
        have_a_fault(tmp_path / "fault", patch)
        patch.setenv("TMPDIR", str(temporary))
        report = run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=2)
    assert (report.frames, report.errors) == (37, 3)
    assert list(temporary.iterdir()) == []
    expected = rows_of(tmp_path / "calm")
    for row in expected:
        if (row["source"], row["index"]) in (("4.png", 0), ("5.png", 0), ("a.tar", 17)):
            killed = "the process that segmented it was killed (SIGSEGV), 1 times"
            failed = "segmenting it failed: RuntimeError: a fault"
            row.update(error=failed if row["source"] == "5.png" else killed, objects=[])
            row.update(dict.fromkeys(("height", "width")), index=row["index"] or None)
    assert rows_of(tmp_path / "out") == expected
    mended = run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert mended.errors == 0
    assert mended.done_before == mended.pieces - report.again
    assert not list((tmp_path / "out" / "retry").iterdir())
    assert [row["error"] for row in rows_of(tmp_path / "out")] == [None] * 40


def test_nothing_is_written_where_everything_kills(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "TRIES", 1)
    have_a_fault(tmp_path / "fault", monkeypatch)
    (tmp_path / "in").mkdir()
    for number in range(2):
        (tmp_path / "in" / f"{number}.png").write_bytes(deadly_picture(number))
    with pytest.raises(EngineError, match=r"nothing can be segmented of 0\.png.* was killed \(SIGSEGV\)"):
        run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert not list((tmp_path / "out" / PARTS).iterdir())
    write_pictures(tmp_path / "in", 2)
    assert run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1).errors == 0
    for name in ("a.tar", "b.tar"):  # all that is new kills, but not all of the archive
        write_tar(tmp_path / "in" / name, {"0.png": deadly_picture(0)})
    report = run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert (report.frames, report.errors, report.again) == (0, 2, 2)
    assert [row["source"] for row in rows_of(tmp_path / "out") if row["error"]] == ["a.tar", "b.tar"]


def test_processes_that_die_before_they_are_ready_end_the_run(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "FIRST_WAIT_S", 0.0)
    dies = 'import os, sys\nif "--multiprocessing-fork" in sys.orig_argv:\n    os.kill(os.getpid(), 9)'
    have_a_fault(tmp_path / "fault", monkeypatch, dies)
    write_pictures(tmp_path / "in", 2)
    with pytest.raises(EngineError, match=r"no process is ready to segment: one was killed \(SIGKILL\)"):
        run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=2)
    assert not list((tmp_path / "out" / PARTS).iterdir())


def test_a_script_that_starts_itself_again_is_told_so(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 2)
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from edgeseg.batch import BatchSettings, run_batch\n"
        f"run_batch(BatchSettings(Path({str(settings.engine)!r})), [{str(tmp_path / 'in')!r}], "
        f"{str(tmp_path / 'out')!r}, workers=2)\n"
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.count("Traceback") == 1
    assert 'call run_batch under `if __name__ == "__main__":`' in run.stderr.splitlines()[-1]
    assert not list((tmp_path / "out" / PARTS).iterdir())


@pytest.mark.slow
def test_processes_end_with_the_run_that_is_killed(settings: BatchSettings, tmp_path: Path) -> None:
    write_video(tmp_path / "film.mkv", frames=1500, key_every=500)
    output = tmp_path / "out"
    command = [sys.executable, "-m", "edgeseg", "batch", str(settings.engine), str(tmp_path / "film.mkv")]
    command += ["-o", str(output), "--workers", "1", "--label-maps"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    begun = output / "labels" / "film.mkv" / "000009.png"
    while not begun.exists() and run.poll() is None:
        time.sleep(0.01)
    workers = _children(run.pid)
    assert workers
    run.kill()
    run.wait()
    end_s = time.monotonic() + ENDED_S
    while any(_is_running(worker) for worker in workers) and time.monotonic() < end_s:
        time.sleep(0.01)
    assert not any(_is_running(worker) for worker in workers)
    assert len(list(begun.parent.glob("*.png"))) < 1500
    assert not list((output / PARTS).glob("*.parquet"))


def _children(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in children.read_text().split()]


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_killed_run_wrote_meanwhile_goes(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 2)
    other = BatchSettings(labels_engine(tmp_path / "engine", batch=2))
    late, parts = plan_batch(other, [str(tmp_path / "in")], tmp_path / "out")

    def write_late(frames: int) -> None:
        parts.put_error(late.missing[0], "of a process that outlived its run")

    run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1, on_piece=write_late)
    assert [row["error"] for row in rows_of(tmp_path / "out")] == [None, None]


def test_a_right_or_a_limit_that_is_granted_later_is_enough(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "in", 2)
    (tmp_path / "in" / "0.png").chmod(0)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    command = [sys.executable, "-m", "edgeseg", "batch", str(settings.engine), str(tmp_path / "in")]
    command += ["-o", str(tmp_path / "out"), "--workers", "1"]
    drop: list[str] = []
    if os.geteuid() == 0:  # who may read everything
        drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv (of util-linux) is not installed")
    run = subprocess.run([*drop, *command], check=True, capture_output=True, text=True)
    assert "1 parts are done again by the next run" in run.stdout
    denied, _, broken = rows_of(tmp_path / "out")
    assert denied["error"] == "cannot read 0.png: Permission denied"
    assert broken["error"]
    (tmp_path / "in" / "0.png").chmod(0o600)
    with monkeypatch.context() as patch:
        patch.setenv("EDGESEG_LIMITS", "pixels=2000")
        report = run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert report.errors == 3
    assert all("raise the limit" in row["error"] for row in rows_of(tmp_path / "out")[:2])
    report = run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert (report.frames, report.errors, report.removed) == (2, 1, 0)
    assert run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1).frames == 0
