"""What lies in a store is found, read and written as what lies in a folder: the same rows, each once."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, excerpts, places, run_batch, spans
from edgeseg.batch.entry import plan_batch
from edgeseg.batch.found import find
from edgeseg.batch.parts import PARTS
from edgeseg.batch.places import Stored, listed, names_in, opened, place_of, remove, write
from edgeseg.batch.work import Worker
from edgeseg.errors import SinkError, UsageError
from tests.batch.archives import bytes_of, samples, write_parquet, write_pictures, write_tar, write_video

REGION = "eu-central-1"


@pytest.fixture
def store() -> str:
    """Give the address of an empty store."""
    return f"memory://{uuid.uuid4().hex}"


def archive(folder: Path) -> Path:
    """Write one file of each kind, and two that are broken."""
    write_pictures(folder / "pictures", 20)
    write_video(folder / "film.mp4", frames=12, key_every=4)
    write_tar(folder / "shards" / "a.tar", samples(5))
    write_parquet(folder / "shards" / "b.parquet", list(samples(3).values())[::2])
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "broken.tar").write_bytes(b"no shard")
    return folder


def upload(folder: Path, target: Stored) -> None:
    """Write all files of a folder into a store, by the same names."""
    for path in folder.rglob("*"):
        if path.is_file():
            write(target / path.relative_to(folder).as_posix(), path.read_bytes())


def download(source: Stored) -> dict[str, bytes]:
    """Read all results of a store that do not tell times, as `bytes_of` reads a folder's."""
    found = {}
    for place, _, _ in listed(source):
        name = place.path.removeprefix(f"{source.path}/")
        if not name.startswith("times/"):
            with opened(place) as file:
                found[name] = file.read()
    return found


def local_rows(settings: BatchSettings, folder: Path, output: Path) -> list[dict[str, object]]:
    """Segment the same archive from a folder; gives rows without their order."""
    run_batch(settings, [str(folder)], output, workers=1)
    return sorted_rows(bytes_of(output))


def sorted_rows(files: dict[str, bytes]) -> list[dict[str, object]]:
    """Read the rows of results; times of files, which name parts, are a store's own."""
    import pyarrow
    from pyarrow import parquet

    tables = [
        parquet.read_table(pyarrow.BufferReader(data))
        for name, data in files.items()
        if name.startswith(PARTS)
    ]
    rows = [row for table in tables for row in table.to_pylist()]
    return sorted(rows, key=lambda row: (row["source"], -1 if row["index"] is None else row["index"]))


def test_addresses_are_told_from_paths(tmp_path: Path) -> None:
    assert place_of("videos/**") == Path("videos/**")
    assert place_of("C:/videos") == Path("C:/videos")
    assert place_of(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert place_of("memory://bucket/a/*?.png") == Stored("memory://bucket", "/bucket/a/*?.png")
    with pytest.raises(UsageError, match="cannot open nowhere://host"):
        place_of("nowhere://user:secret@host/a")


def test_secrets_and_options_of_an_address_are_never_shown() -> None:
    place = place_of("s3://key:secret@bucket/a/b.png?region=eu-west-1&scheme=http")
    assert str(place) == "s3://bucket/a/b.png"


def test_a_store_is_searched_like_a_folder(store: str) -> None:
    root = place_of(store)
    assert isinstance(root, Stored)
    for name in (
        "a/2.png",
        "a/10.png",
        "b/film.mp4",
        "b/notes.txt",
        "b/deep/er/1.jpg",
        ".hid/1.png",
        "b/.1.png",
    ):
        write(root / name, b"1")

    def names(pattern: str) -> list[str]:
        return [file.name for file in find([f"{store}{pattern}"]).files]

    everything = ["a/2.png", "a/10.png", "b/film.mp4", "b/deep/er/1.jpg"]
    for pattern in ("", "/", "/**", "/**/*", "/*"):
        assert names(pattern) == everything
    assert find([store]).left_out == 1
    assert names("/b/**") == ["film.mp4", "deep/er/1.jpg"]
    assert names("/*/*.png") == ["a/2.png", "a/10.png"]
    assert names("/a/2.png") == ["2.png"]
    assert names("/a/?.png") == ["2.png"]


def test_a_file_is_written_whole_where_a_store_writes_in_place(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "OBJECT_STORES", frozenset())
    target = place_of(store)
    assert isinstance(target, Stored)
    write(target / "a" / "1.parquet", b"first")
    write(target / "a" / "1.parquet", b"second")
    assert [place.name for place, _, _ in listed(target)] == ["1.parquet"]
    assert opened(target / "a" / "1.parquet").read() == b"second"
    assert names_in(target / "a", ".parquet") == {"1.parquet"}
    remove(target / "a" / "1.parquet")
    remove(target / "a" / "1.parquet")
    assert names_in(target / "a", ".parquet") == frozenset()


def test_results_in_a_store_are_those_in_a_folder(
    settings: BatchSettings, store: str, tmp_path: Path
) -> None:
    folder = archive(tmp_path / "in")
    root = place_of(store)
    assert isinstance(root, Stored)
    upload(folder, root / "in")
    drawn = BatchSettings(settings.engine, label_maps=True)
    planned, parts = plan_batch(drawn, [f"{store}/in"], f"{store}/out")
    assert planned.frames == 20 + 12 + 5 + 3 + 2
    parts.make_folders()
    with Worker(drawn, parts) as worker:
        for piece in planned.missing:
            worker.do(piece)
    files = download(root / "out")
    run_batch(drawn, [str(folder)], tmp_path / "out", workers=1)
    assert sorted_rows(files) == sorted_rows(bytes_of(tmp_path / "out"))
    drawn_here = {name for name in bytes_of(tmp_path / "out") if name.endswith(".png")}
    assert {name for name in files if name.endswith(".png")} == drawn_here
    again, _ = plan_batch(drawn, [f"{store}/in"], f"{store}/out")
    assert (again.missing, again.stale) == ([], 0)
    write(root / "in" / "pictures" / "0.png", b"changed")
    changed, _ = plan_batch(drawn, [f"{store}/in"], f"{store}/out")
    assert len(changed.missing) == changed.stale == 1


@pytest.mark.parametrize(
    ("codec", "codec_options", "options"),
    [
        ("libx264", {"x264-params": "bframes=3:open-gop=1:scenecut=0"}, {"movflags": "faststart"}),
        ("libx264", {"x264-params": "bframes=0"}, {}),
        ("libx265", {"x265-params": "bframes=3:open-gop=1:scenecut=0:log-level=none"}, {}),
    ],
)
def test_a_long_video_of_a_store_is_shared_by_its_key_frames(
    settings: BatchSettings,
    store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    codec: str,
    codec_options: dict[str, str],
    options: dict[str, str],
) -> None:
    monkeypatch.setattr(spans, "SPAN_S", 1.0)
    monkeypatch.setattr(excerpts, "BEGUN_BYTES", 100)
    monkeypatch.setattr(excerpts, "BEHIND", 12)
    film = tmp_path / "in" / "film.mp4"
    write_video(film, frames=97, key_every=10, codec=codec, container_options=options, **codec_options)
    root = place_of(store)
    assert isinstance(root, Stored)
    upload(tmp_path / "in", root / "in")
    planned, parts = plan_batch(settings, [f"{store}/in"], f"{store}/out")
    here, _ = plan_batch(settings, [str(tmp_path / "in")], tmp_path / "out")
    assert [piece.span for piece in planned.pieces] == [piece.span for piece in here.pieces]
    assert len(planned.pieces) > 4
    with Worker(settings, parts) as worker:
        done = [worker.do(piece) for piece in planned.missing]
    assert sum(one.frames for one in done) == 97
    assert not any(one.errors for one in done)
    assert sorted_rows(download(root / "out")) == local_rows(settings, tmp_path / "in", tmp_path / "out")


def test_what_lies_in_one_process_is_refused(settings: BatchSettings, store: str, tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    with pytest.raises(UsageError, match="lies in the memory of one process; give a store that all see"):
        run_batch(settings, [str(tmp_path)], f"{store}/out")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Start a server that speaks S3's protocol, and give the address of an empty bucket in it."""
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    program = shutil.which("moto_server", path=beside)
    if program is None:
        pytest.skip("moto_server is not installed; run: pip install 'moto[s3,server]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
    }
    deadline = time.monotonic() + 60
    while True:
        try:
            made = f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint>"
            request = Request(
                f"{told['AWS_ENDPOINT_URL']}/archive",
                method="PUT",
                data=f"{made}</CreateBucketConfiguration>".encode(),
            )
            urlopen(request).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with pytest.MonkeyPatch.context() as variables:
        for name, value in told.items():
            variables.setenv(name, value)
        yield "s3://archive"
    server.terminate()
    server.wait()


@pytest.mark.minutes
def test_a_run_on_s3_that_is_killed_is_gone_on_with(
    bucket: str, settings: BatchSettings, tmp_path: Path
) -> None:
    folder = archive(tmp_path / "in")
    write_pictures(folder / "more", 200)
    root = place_of(bucket)
    assert isinstance(root, Stored)
    upload(folder, root / "in")
    whole = local_rows(settings, folder, tmp_path / "out")
    command = [sys.executable, "-m", "edgeseg", "batch", str(settings.engine), f"{bucket}/in/**"]
    command += ["-o", f"{bucket}/out", "--workers", "2"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not names_in(root / "out" / PARTS, ".parquet") and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = len(names_in(root / "out" / PARTS, ".parquet"))
    report = run_batch(settings, [f"{bucket}/in/**"], f"{bucket}/out", workers=2)
    assert report.done_before >= before >= 1
    assert sorted_rows(download(root / "out")) == whole
    again = run_batch(settings, [f"{bucket}/in/**"], f"{bucket}/out", workers=1)
    assert (again.frames, again.removed) == (0, 0)


@pytest.mark.minutes
@pytest.mark.filterwarnings("ignore")  # Ray's own, of its libraries and sockets
def test_actors_of_ray_read_and_write_s3(bucket: str, settings: BatchSettings, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    folder = archive(tmp_path / "in")
    root = place_of(bucket)
    assert isinstance(root, Stored)
    upload(folder, root / "ray")
    run_batch(settings, [f"{bucket}/ray"], f"{bucket}/by-ray", workers=2, ray="local")
    assert sorted_rows(download(root / "by-ray")) == local_rows(settings, folder, tmp_path / "out")


@pytest.mark.minutes
def test_a_bucket_that_is_not_there_is_one_line(bucket: str, settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    with pytest.raises(SinkError, match="cannot write s3://nobodys/out/"):
        run_batch(settings, [str(tmp_path)], "s3://nobodys/out", workers=1)
