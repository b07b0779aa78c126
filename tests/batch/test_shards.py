"""Parts of a shard together are the shard: each sample once, the same picture, and errors where they are."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import NoReturn

import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, run_batch, shards
from edgeseg.batch.places import Place
from edgeseg.batch.shards import Sample, samples_of, split
from edgeseg.errors import SourceError
from tests.batch.archives import (
    bytes_of,
    picture,
    rows_of,
    samples,
    write_columns,
    write_parquet,
    write_pictures,
    write_tar,
)


def read(path: Path, field: str | None = None) -> list[Sample]:
    """Read a shard by its parts, and hold these against what they are expected to have."""
    parts, counts = split(path, field)
    found = [list(samples_of(path, part)) for part in parts]
    assert [len(some) for some in found] == counts
    return list(chain(*found))


def test_a_tar_file_is_shared_by_the_headers_of_its_members(tmp_path: Path) -> None:
    long = f"{'deep/' * 40}picture.png"  # whose name takes a header of its own
    write_tar(tmp_path / "a.tar", {long: picture(0), **samples(150), ".hidden.png": b""})
    assert len(split(tmp_path / "a.tar", None)[0]) == 3
    found = read(tmp_path / "a.tar")
    assert [one.index for one in found] == list(range(151))
    assert [one.name for one in found] == [long, *(f"{number:06d}.png" for number in range(150))]
    assert [one.data for one in found[1:]] == [picture(number) for number in range(150)]


def test_a_longer_shard_is_shared_in_larger_parts(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", dict.fromkeys((f"{number}.png" for number in range(3000)), b""))
    parts, counts = split(tmp_path / "a.tar", None)
    assert (len(parts), counts[0], sum(counts)) == (17, 187, 3000)
    write_parquet(tmp_path / "a.parquet", [b"1"] * 20_000, rows_a_group=100)
    parts, counts = split(tmp_path / "a.parquet", None)
    assert (len(parts), counts[0], sum(counts)) == (34, 600, 20_000)


def test_extensions_choose_among_the_pictures_of_a_sample(tmp_path: Path) -> None:
    pictures = {f"{number}.{side}.png": picture(number) for number in range(3) for side in ("left", "right")}
    write_tar(tmp_path / "a.tar", pictures)
    assert len(read(tmp_path / "a.tar")) == 6
    assert [one.name for one in read(tmp_path / "a.tar", "right.png")] == [f"{n}.right.png" for n in range(3)]


def test_an_extension_that_no_sample_has_is_told_with_those_there_are(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {**samples(2), "2.left.png": picture(0), ".hidden.jpg": b""})
    with pytest.raises(SourceError, match=r"has no picture nope\.jpg; its samples have png, cls, left\.png"):
        read(tmp_path / "a.tar", "nope.jpg")
    write_tar(tmp_path / "a.tar", {**samples(100), "last.left.png": picture(0)})
    assert [one.name for one in read(tmp_path / "a.tar", "left.png")] == ["last.left.png"]


def test_what_a_library_raises_while_a_shard_is_split_is_left_to_who_reads_it(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Place, field: str | None) -> NoReturn:
        raise KeyError("a fault")

    write_tar(tmp_path / "in" / "a.tar", samples(3))
    write_pictures(tmp_path / "in", 2)
    monkeypatch.setattr(shards, "split", fail)
    report = run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert (report.frames, report.errors) == (5, 0)


def test_a_column_whose_name_others_have_is_refused_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_columns(path, ("label", [1]), ("image", [b"1"]), ("label", [2]))
    assert [one.data for one in read(path)] == [b"1"]
    write_columns(path, ("image", [1]), ("image", [b"1"]))
    for field in (None, "image"):
        with pytest.raises(SourceError, match="several columns called image; give each a name of its own"):
            read(path, field)


def test_a_parquet_file_is_shared_by_its_groups_of_rows(tmp_path: Path) -> None:
    cells = [{"bytes": picture(number), "path": f"{number}.png"} for number in range(150)]
    write_parquet(tmp_path / "a.parquet", cells)
    assert len(split(tmp_path / "a.parquet", None)[0]) == 3
    found = read(tmp_path / "a.parquet")
    assert [(one.index, one.name) for one in found] == [(number, f"{number}.png") for number in range(150)]
    assert [one.data for one in found] == [cell["bytes"] for cell in cells]


def test_a_large_group_of_rows_is_shared_too(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", [b"%d" % number for number in range(1200)], rows_a_group=1000)
    assert len(split(tmp_path / "a.parquet", None)[0]) == 3
    assert [one.data for one in read(tmp_path / "a.parquet")] == [b"%d" % number for number in range(1200)]


def test_a_column_of_pictures_is_found_or_asked_for(tmp_path: Path) -> None:
    structs = [{"bytes": b"a", "path": None}]
    write_parquet(tmp_path / "a.parquet", structs, embedding=[b"no picture"])
    assert [one.data for one in read(tmp_path / "a.parquet")] == [b"a"]
    assert [one.data for one in read(tmp_path / "a.parquet", "embedding")] == [b"no picture"]
    write_parquet(tmp_path / "b.parquet", structs, mask=structs)
    with pytest.raises(SourceError, match="choose one by --image: image, mask"):
        split(tmp_path / "b.parquet", None)
    with pytest.raises(SourceError, match=r"has no column photo of pictures .* it has label, image"):
        split(tmp_path / "a.parquet", "photo")


def test_results_of_shards_are_those_of_the_pictures(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 70)
    write_tar(tmp_path / "shards" / "a.tar", samples(70))
    cells = [{"bytes": picture(number), "path": f"{number}.png"} for number in range(70)]
    write_parquet(tmp_path / "shards" / "b.parquet", cells)
    run_batch(settings, [str(tmp_path / "in")], tmp_path / "one", workers=1)
    report = run_batch(settings, [str(tmp_path / "shards")], tmp_path / "out", workers=2)
    assert (report.files, report.frames, report.errors) == (2, 140, 0)
    plain = {int(Path(row["source"]).stem): row["objects"] for row in rows_of(tmp_path / "one")}
    for source, name in (("a.tar", "{:06d}.png"), ("b.parquet", "{}.png")):
        rows = [row for row in rows_of(tmp_path / "out") if row["source"] == source]
        assert [row["index"] for row in rows] == list(range(70))
        assert [row["sample"] for row in rows] == [name.format(number) for number in range(70)]
        assert [row["objects"] for row in rows] == [plain[number] for number in range(70)]
    run_batch(settings, [str(tmp_path / "shards")], tmp_path / "again", workers=1)
    assert bytes_of(tmp_path / "again") == bytes_of(tmp_path / "out")


def test_what_is_broken_is_a_row_and_the_rest_has_results(settings: BatchSettings, tmp_path: Path) -> None:
    archive = tmp_path / "in"
    write_tar(archive / "a.tar", {**samples(2), "2.png": b"no picture", "3.png": picture(3)})
    write_tar(archive / "ends.tar", samples(4))
    whole = (archive / "ends.tar").read_bytes()
    (archive / "ends.tar").write_bytes(whole[: whole.index(b"000003.png") + 600])
    write_tar(archive / "empty.tar", {"notes.txt": b"of no use"})
    cells = [{"bytes": None, "path": "elsewhere.png"}, {"bytes": picture(1), "path": None}]
    write_parquet(archive / "b.parquet", cells)
    (archive / "broken.parquet").write_bytes(b"no table")
    write_columns(archive / "twins.parquet", ("image", [picture(0)]), ("image", [picture(1)]))
    drawn = BatchSettings(settings.engine, label_maps=True)
    report = run_batch(drawn, [str(archive)], tmp_path / "out", workers=1)
    assert (report.frames, report.errors) == (3 + 3 + 1, 6)
    errors = {
        (row["source"], row["index"]): row["error"] for row in rows_of(tmp_path / "out") if row["error"]
    }
    assert errors["a.tar", 2].startswith("2.png is damaged or not an image")
    assert "is damaged" in errors["ends.tar", None]
    assert errors["empty.tar", None] == "empty.tar holds no picture"
    assert errors["b.parquet", 0] == "holds no picture, only the path elsewhere.png"
    assert "broken.parquet is damaged or no Parquet file" in errors["broken.parquet", None]
    assert errors["twins.parquet", None].startswith("twins.parquet has several columns called image; give")
    assert not any(str(tmp_path) in error for error in errors.values())
    maps = [path.name for path in (tmp_path / "out" / "labels" / "a.tar").iterdir()]
    assert sorted(maps) == ["000000.png", "000001.png", "000003.png"]


def _flipped(whole: bytes, at: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda whole, at: _flipped(whole, at + 100), "bad checksum"),
        (lambda whole, at: whole[:at] + bytes(512) + whole[at + 512 :], "header"),
        (lambda whole, at: whole[: at + 300], "truncated header"),
        (lambda whole, at: whole[:at], "it ends without the mark of its end"),
    ],
)
def test_what_is_behind_a_damaged_header_is_missed(
    tmp_path: Path, damage: Callable[[bytes, int], bytes], reason: str
) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, {f"{number}.png": picture(number) for number in range(10)})
    whole = path.read_bytes()
    path.write_bytes(damage(whole, whole.index(b"5.png")))
    ((part,), counts) = split(path, None)
    found = samples_of(path, part)
    assert [next(found).data for _ in range(5)] == [picture(number) for number in range(5)]
    with pytest.raises(SourceError, match=f"is damaged or no tar file, from here on: .*{reason}"):
        next(found)
    assert counts == [5]


def test_a_tar_file_that_is_appended_to_another_is_read_on(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", samples(70))
    write_tar(tmp_path / "b.tar", {"last.png": picture(0)})
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes() + (tmp_path / "b.tar").read_bytes())
    found = read(tmp_path / "a.tar")
    assert (len(found), found[-1].name, found[-1].data) == (71, "last.png", picture(0))


def test_links_of_a_tar_file_are_followed(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {f"deep/{number}.png": picture(number) for number in range(70)})
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        for name, kind, target in (
            ("hard.png", tarfile.LNKTYPE, "deep/3.png"),
            ("deep/soft.png", tarfile.SYMTYPE, "4.png"),
            ("both.png", tarfile.LNKTYPE, "deep/soft.png"),
            ("lost.png", tarfile.SYMTYPE, "../elsewhere.png"),
            ("round.png", tarfile.SYMTYPE, "round.png"),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            tar.addfile(link)
    found = read(tmp_path / "a.tar")[70:]
    assert [one.data for one in found] == [picture(3), picture(4), picture(4), None, None]
    assert [one.name for one in found] == ["hard.png", "deep/soft.png", "both.png", "lost.png", "round.png"]
    assert found[3].error == "is a link to ../elsewhere.png, which is not in the shard"


def test_columns_of_every_kind_of_bytes_are_read(tmp_path: Path) -> None:
    import pyarrow as pa

    path = tmp_path / "a.parquet"
    plain = pa.array([b"one", b"two", b"one"])
    kinds = [plain.cast(pa.large_binary()), plain.cast(pa.binary(3)), plain.dictionary_encode()]
    if hasattr(pa, "binary_view"):
        kinds.append(pa.array([b"one", b"two", b"one"], pa.binary_view()))
    for cells in kinds:
        write_parquet(path, cells)
        assert [one.data for one in read(path)] == [b"one", b"two", b"one"]
    write_parquet(path, plain, sha256=plain.cast(pa.binary(3)))  # of a fixed size: no picture, most likely
    assert [one.data for one in read(path)] == [b"one", b"two", b"one"]


def test_a_row_may_be_a_list_of_pictures(settings: BatchSettings, tmp_path: Path) -> None:
    cells = [[{"bytes": picture(n), "path": f"{n}.png"} for n in pair] for pair in ((1, 2), (), (3, 4))]
    cells[2][0]["bytes"] = b"no picture"
    write_parquet(tmp_path / "in" / "a.parquet", cells)
    drawn = BatchSettings(settings.engine, label_maps=True)
    report = run_batch(drawn, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert (report.frames, report.errors) == (3, 2)
    rows = rows_of(tmp_path / "out")
    assert [(row["index"], row["page"], row["sample"]) for row in rows] == [
        (0, 0, "1.png"),
        (0, 1, "2.png"),
        (1, None, None),
        (2, None, "3.png"),
        (2, 1, "4.png"),
    ]
    assert rows[3]["error"].startswith("picture 0 of the list: 3.png is damaged")
    maps = [path.name for path in (tmp_path / "out" / "labels" / "a.parquet").iterdir()]
    assert sorted(maps) == ["000000-000000.png", "000000-000001.png", "000002-000001.png"]


def test_nothing_is_left_of_what_was_copied(
    settings: BatchSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    write_tar(tmp_path / "in" / "a.tar", samples(3))
    run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_tables_of_another_batch_are_no_shards(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    run_batch(settings, [str(tmp_path)], tmp_path / "first", workers=1)
    report = run_batch(settings, [str(tmp_path)], tmp_path / "second", workers=1)
    assert (report.files, report.errors) == (2, 0)
