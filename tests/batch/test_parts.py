"""Parts are whole, the same bytes for the same rows, and go when they hold what is not so any more."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch.found import Archive
from edgeseg.batch.parts import PARTS, TIMES, Parts
from edgeseg.batch.piece import File, Piece
from edgeseg.batch.plan import plan
from edgeseg.batch.rows import error_row
from edgeseg.batch.stale import remove_stale
from edgeseg.errors import SinkError
from edgeseg.files import Claim
from tests.batch.archives import rows_of


def piece(name: str, modified_ns: int = 0) -> Piece:
    return Piece((File(Path(name), name, 1, modified_ns),))


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    found = Parts(tmp_path, "engine")
    found.make_folders()
    return found


def test_a_part_is_the_same_bytes_for_the_same_rows(parts: Parts) -> None:
    one = piece("a.png")
    parts.put(one, [error_row("a.png", "broken")], [])
    before = parts.path(one).read_bytes()
    parts.put(one, [error_row("a.png", "broken")], [{"source": "a.png", "index": 0, "latency_ms": 3.0}])
    assert parts.path(one).read_bytes() == before
    (row,) = rows_of(parts.folder)
    assert (row["source"], row["index"], row["error"], row["objects"]) == ("a.png", None, "broken", [])


def test_what_changed_files_had_goes_and_what_others_have_stays(parts: Parts) -> None:
    for one in (piece("a.png"), piece("b.png")):
        parts.put_error(one, "broken")
    Parts(parts.folder, "another engine").put_error(piece("c.png"), "broken")
    assert len(remove_stale(parts, [piece("a.png", modified_ns=1), piece("c.png")])) == 2
    assert parts.there() == {parts.path(piece("b.png")).name}
    assert len(list((parts.folder / TIMES).iterdir())) == 1


def test_what_no_batch_wrote_is_refused_and_stays(parts: Parts) -> None:
    other = parts.folder / PARTS / "my.parquet"
    other.write_bytes(b"mine")
    with pytest.raises(
        SinkError, match=r"my\.parquet is no part of a batch's results; choose another folder"
    ):
        remove_stale(parts, [piece("a.png")])
    assert other.read_bytes() == b"mine"


def test_what_a_killed_writer_left_is_no_part_and_goes(parts: Parts) -> None:
    parts.put_error(piece("a.png"), "broken")
    written = parts.path(piece("b.png"))
    with Claim(written) as claim:
        staged = claim.staging()
        staged.write_bytes(b"PAR1 half")
        parts.make_folders()
        assert staged.is_file()  # it is being written
    assert parts.there() == {parts.path(piece("a.png")).name}
    assert len(remove_stale(parts, [piece("c.png")])) == 0
    parts.make_folders()
    assert not staged.exists()


def test_a_part_that_blames_what_passes_is_done_again_in_its_place(parts: Parts) -> None:
    one, other = piece("a.png"), piece("b.png")
    archive = Archive([*one.files, *other.files], 0)
    parts.put(Piece((*one.files, *other.files)), [error_row("a.png", "no room")], [], passing="no room")
    (missing,) = plan(archive, parts).missing
    parts.put(missing, [error_row("a.png", "broken")], [])
    assert plan(archive, parts).missing == [missing]
    parts.settle(missing)
    assert plan(archive, parts).missing == []
    assert [row["error"] for row in rows_of(parts.folder)] == ["broken"]


def test_what_is_to_be_done_again_is_forgotten_with_its_part(parts: Parts) -> None:
    parts.put_error(piece("a.png"), "no room")
    assert parts.to_retry() == parts.there()
    assert len(remove_stale(parts, [piece("a.png", modified_ns=1)])) == 1
    assert parts.to_retry() == frozenset()
