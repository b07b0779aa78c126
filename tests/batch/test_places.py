"""What lies in a store is found, read and written as what lies in a folder: the same rows, each once."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import BinaryIO

import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, excerpts, places, run_batch, spans, tars
from edgeseg.batch.entry import plan_batch
from edgeseg.batch.found import find
from edgeseg.batch.parts import Parts
from edgeseg.batch.piece import File, Piece
from edgeseg.batch.places import Place, Stored, listed, names_in, opened, place_of, remove, write
from edgeseg.batch.work import Worker
from edgeseg.errors import SinkError, SourceDownError, UsageError
from tests.batch.archives import bytes_of, samples, write_pictures, write_tar, write_video
from tests.batch.stores import archive, download, local_rows, sorted_rows, upload


@pytest.fixture
def store() -> str:
    """Give the address of an empty store."""
    return f"memory://{uuid.uuid4().hex}"


def test_addresses_are_told_from_paths(tmp_path: Path) -> None:
    assert place_of("videos/**") == Path("videos/**")
    assert place_of("C:/videos") == Path("C:/videos")
    assert place_of(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert place_of("memory://bucket/a/*?.png") == Stored("memory://bucket", "/bucket/a/*?.png")
    assert place_of("MEMORY://Bucket/A.png") == Stored("memory://Bucket", "/Bucket/A.png")
    assert place_of("http://[::1]:8000/a::b.png") == Stored("http://[::1]:8000", "http://[::1]:8000/a::b.png")
    with pytest.raises(UsageError, match="cannot open nowhere://host"):
        place_of("nowhere://user:secret@host/a")


@pytest.mark.parametrize(
    "address",
    [
        "zip://*.png::/tmp/a.zip",
        "tar://a::s3://key:secret@b/a.tar",
        "SimpleCache::s3://key:secret@b/a",
        "zip://a",
    ],
)
def test_addresses_within_others_are_refused(address: str) -> None:
    with pytest.raises(UsageError, match="give that of the files themselves, unpacked") as raised:
        place_of(address)
    assert "secret" not in str(raised.value)


def test_a_store_that_is_only_read_says_so_when_it_is_written() -> None:
    with pytest.raises(SinkError, match="NotImplementedError"):
        write(place_of("http://127.0.0.1:9/out/a.parquet"), b"1")


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


def test_what_a_store_does_not_give_is_asked_for_again(
    settings: BatchSettings, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tar(tmp_path / "in" / "a.tar", samples(3))
    write_pictures(tmp_path / "in", 2)
    root = place_of(store)
    assert isinstance(root, Stored)
    upload(tmp_path / "in", root / "in")
    planned, parts = plan_batch(settings, [f"{store}/in"], f"{store}/out")
    down = {"answers": 3}  # that fail: of the file, twice, and of whether there is another

    def failing(place: Place) -> BinaryIO:
        if down["answers"]:
            down["answers"] -= 1
            raise OSError("the network is down")
        return opened(place)

    with Worker(settings, parts) as worker:
        for module in (places, tars):
            monkeypatch.setattr(module, "opened", failing)
        with pytest.raises(SourceDownError, match="cannot be read now: the network is down; run again later"):
            worker.do(planned.missing[0])
        assert parts.there() == frozenset()
        for piece in planned.missing:
            down["answers"] = 1
            assert worker.do(piece).errors == 0
    assert sorted_rows(download(root / "out")) == local_rows(settings, tmp_path / "in", tmp_path / "out")


def test_a_part_of_a_store_is_done_again_until_it_is_settled(store: str) -> None:
    parts = Parts(place_of(f"{store}/out"), "engine")
    parts.make_folders()
    piece = Piece((File(Path("a.png"), "a.png", 1, 1),))
    assert parts.to_retry() == frozenset()
    parts.put_error(piece, "no room")
    assert parts.to_retry() == parts.there() != frozenset()
    for _ in range(2):
        parts.settle(piece)
        assert parts.to_retry() == frozenset()
