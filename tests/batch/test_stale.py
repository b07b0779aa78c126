"""What a run does anew takes the place of what was there, and nothing of other files is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchReport, BatchSettings, run_batch
from edgeseg.batch.drawn import remove_drawn
from edgeseg.batch.parts import PARTS, TIMES, Parts
from edgeseg.batch.piece import File, Piece
from edgeseg.batch.places import Stored, names_in, opened, place_of, write
from edgeseg.batch.rows import error_row
from edgeseg.batch.stale import Stale, find_stale, remove_stale
from tests.batch.archives import rows_of, write_pictures, write_video


@pytest.fixture(params=["folder", "store"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Parts:
    found = Parts(tmp_path if request.param == "folder" else place_of(f"memory://{tmp_path.name}/out"), "it")
    found.make_folders()
    return found


def pieces_of(*names: str, modified_ns: int = 0) -> list[Piece]:
    """Give one piece with all these files."""
    return [Piece(tuple(File(Path(name), name, 1, modified_ns) for name in names))]


def put(parts: Parts, *names: str, error: str = "old") -> str:
    """Write the part of these files; gives its name."""
    (piece,) = pieces_of(*names)
    times = [{"source": name, "index": 0, "latency_ms": 1.0} for name in names]
    parts.put(piece, [error_row(name, error) for name in names], times)
    return parts.path(piece).name


def sources(parts: Parts, kind: str = PARTS) -> list[str]:
    """Read whose rows there are, with all that are there twice."""
    from pyarrow import parquet

    found = []
    for name in names_in(parts.folder / kind, ".parquet"):
        with opened(parts.folder / kind / name) as file:
            found += parquet.read_table(file)["source"].to_pylist()
    return sorted(found)


def test_a_part_is_cut_down_to_files_that_are_not_given(parts: Parts) -> None:
    put(parts, "a.png", "b.png", "c.png")
    put(parts, "d.png")
    stale = remove_stale(parts, pieces_of("b.png"))
    assert (len(stale), stale.kept) == (1, {"a.png", "c.png", "d.png"})
    assert sources(parts) == sources(parts, TIMES) == ["a.png", "c.png", "d.png"]
    assert len(remove_stale(parts, pieces_of("a.png"))) == 1
    assert sources(parts) == sources(parts, TIMES) == ["c.png", "d.png"]
    assert len(remove_stale(parts, pieces_of("a.png", "b.png", "c.png"))) == 1
    assert sources(parts) == sources(parts, TIMES) == ["d.png"]


@pytest.mark.parametrize("then", [("b.png",), ("a.png", "c.png"), ("a.png", "b.png", "c.png"), ("d.png",)])
def test_a_process_that_is_killed_while_it_cuts_doubles_and_loses_nothing(
    parts: Parts, then: tuple[str, ...]
) -> None:
    name = put(parts, "a.png", "b.png", "c.png")
    with opened(parts.folder / PARTS / name) as file:
        before = file.read()
    remove_stale(parts, pieces_of("b.png"))
    write(parts.folder / PARTS / name, before)  # as if it were not removed yet
    remove_stale(parts, pieces_of(*then))
    is_planned = len(then) == 3
    assert sources(parts) == sorted({"a.png", "b.png", "c.png"} - set(() if is_planned else then))


def test_what_was_found_is_taken_out_with_what_came_since(parts: Parts) -> None:
    put(parts, "a.png", "b.png")
    pieces = pieces_of("a.png")
    found = find_stale(parts, pieces, parts.there())
    put(parts, "a.png", "c.png")  # by a process that a killed run left
    stale = remove_stale(parts, pieces, found)
    assert (len(stale), stale.kept) == (2, {"b.png", "c.png"})
    put(parts, "a.png", "d.png")
    assert len(remove_stale(parts, pieces, Stale(seen=stale.seen))) == 1
    assert sources(parts) == ["b.png", "c.png", "d.png"]


def test_a_part_that_lost_its_end_holds_nothing(tmp_path: Path) -> None:
    parts = Parts(tmp_path, "it")
    parts.make_folders()
    broken = [put(parts, name) for name in ("a.png", "b.png", "c.png")]
    put(parts, "d.png")
    (tmp_path / PARTS / broken[0]).write_bytes(b"")
    (tmp_path / PARTS / broken[1]).write_bytes(bytes((tmp_path / PARTS / broken[1]).stat().st_size))
    (tmp_path / PARTS / broken[2]).write_bytes(b"PAR")
    assert parts.done(parts.there()) == parts.there() - set(broken)
    assert set(find_stale(parts, pieces_of("a.png"), parts.there()).removed) == set(broken[1:])
    remove_stale(parts, pieces_of("a.png"))
    put(parts, "a.png")
    assert sources(parts) == ["a.png", "d.png"]


def test_results_of_what_is_not_given_or_gone_stay(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 20)
    write_video(tmp_path / "in" / "film.mp4", frames=3, key_every=3)

    def run(*inputs: str) -> BatchReport:
        return run_batch(settings, [str(tmp_path / one) for one in inputs], tmp_path / "out", workers=1)

    run("in")
    whole = rows_of(tmp_path / "out")
    report = run("in/3.png")
    assert (report.frames, report.removed, report.kept) == (1, 1, 20)
    assert rows_of(tmp_path / "out") == whole
    assert run("in/3.png").frames == 0
    (tmp_path / "in" / "7.png").unlink()
    (tmp_path / "in" / "film.mp4").unlink()
    report = run("in")
    assert (report.files, report.kept) == (19, 2)
    assert rows_of(tmp_path / "out") == whole
    assert (run("in").frames, run("in").removed) == (0, 0)


def test_a_part_that_lost_its_end_is_done_anew(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path / "in", 3)
    run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    whole = rows_of(tmp_path / "out")
    for part in (tmp_path / "out" / PARTS).iterdir():
        part.write_bytes(b"")
    report = run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert (report.frames, report.done_before) == (3, 0)
    assert rows_of(tmp_path / "out") == whole


def test_label_maps_and_overlays_go_with_the_rows_they_are_of(
    settings: BatchSettings, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "in" / "deep", 3)
    write_video(tmp_path / "in" / "film.mp4", frames=3, key_every=3)
    drawn = BatchSettings(settings.engine, label_maps=True, overlays=True)
    run_batch(drawn, [str(tmp_path / "in")], tmp_path / "out", workers=1)

    def there() -> dict[str, list[str]]:
        folders = {kind: tmp_path / "out" / kind for kind in ("labels", "overlays")}
        return {
            kind: sorted(
                path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file()
            )
            for kind, folder in folders.items()
            if folder.exists()
        }

    before = there()
    assert len(before["labels"]) == len(before["overlays"]) == 7
    (tmp_path / "in" / "deep" / "1.png").unlink()
    write_video(tmp_path / "in" / "film.mp4", frames=2, key_every=2)
    maps = BatchSettings(settings.engine, label_maps=True)
    run_batch(maps, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert there() == {
        "labels": [name for name in before["labels"] if name != "film.mp4/000002.png"],
        "overlays": ["classes.json", "deep/1.png.jpg"],
    }
    run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert there() == {
        "labels": ["classes.json", "deep/1.png.png"],
        "overlays": ["classes.json", "deep/1.png.jpg"],
    }
    write_pictures(tmp_path / "in" / "deep", 3)
    run_batch(settings, [str(tmp_path / "in")], tmp_path / "out", workers=1)
    assert there() == {}


def test_drawn_files_are_told_by_their_names(parts: Parts) -> None:
    gone = ["a.png.png", "scan.tif-000000.png", "b/film.mp4/000010.png", "b/c.tar/1000000-000001.png"]
    stay = ["aa.png.png", "a.png.png.png", "scan.tif-1.png", "b/film.mp4.png.png", "film.mp4/000010.png"]
    stay += ["a.png.txt", "a.png.jpg", "a.png", "classes.json"]
    for name in gone + stay:
        write(below(parts.folder, f"labels/{name}"), b"")
    remove_drawn(parts, ["a.png", "scan.tif", "b/film.mp4", "b/c.tar"])
    left = (below(parts.folder, f"labels/{name}") for name in gone + stay)
    assert [is_there(place) for place in left] == [False] * len(gone) + [True] * len(stay)


def test_pictures_that_no_batch_wrote_stay(settings: BatchSettings, tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    own = [tmp_path / "labels" / "0.png.png", tmp_path / "overlays" / "0.png.jpg"]
    for path in own:
        path.parent.mkdir()
        path.write_bytes(b"mine")
    run_batch(settings, [str(tmp_path)], tmp_path, workers=1)
    write_pictures(tmp_path, 1)
    run_batch(settings, [str(tmp_path)], tmp_path, workers=1)
    assert [path.read_bytes() for path in own] == [b"mine"] * 2


def below(folder: Any, name: str) -> Any:
    if isinstance(folder, Stored):
        return folder / name
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return folder / name


def is_there(place: Any) -> bool:
    try:
        opened(place).close()
    except FileNotFoundError:
        return False
    return True


def test_parts_that_were_seen_before_are_not_read_again(parts: Parts) -> None:
    name = put(parts, "a.png")
    found = find_stale(parts, pieces_of("b.png"), [name])
    write(parts.folder / PARTS / name, b"changed meanwhile")
    assert remove_stale(parts, pieces_of("b.png"), found).seen == {name}
