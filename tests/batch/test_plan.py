"""Pictures are grouped by their own names, so that what is added changes one group."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edgeseg.batch.piece import File, Piece
from edgeseg.batch.plan import MOST_PICTURES, pieces_of

NAMES = st.lists(st.integers(0, 10_000), min_size=1, max_size=150, unique=True)


def files(numbers: list[int]) -> list[File]:
    return [File(Path(f"{number}.png"), f"{number}.png", 100, 0) for number in sorted(numbers)]


@given(NAMES)
def test_each_picture_is_in_one_piece(numbers: list[int]) -> None:
    pieces = list(pieces_of(files(numbers)))
    assert [file for piece in pieces for file in piece.files] == files(numbers)
    assert all(piece.frames == len(piece.files) <= MOST_PICTURES for piece in pieces)


@given(NAMES, st.integers(10_001, 20_000))
def test_a_picture_that_is_added_at_the_end_changes_one_piece(numbers: list[int], added: int) -> None:
    before, after = list(pieces_of(files(numbers))), list(pieces_of(files([*numbers, added])))
    assert len([piece for piece in before if piece not in after]) <= 1


def test_a_part_is_named_by_all_that_it_depends_on() -> None:
    file = File(Path("/here/a.png"), "a.png", 100, 7)
    key = Piece((file,)).key("engine")
    assert Piece((File(Path("/elsewhere/a.png"), "a.png", 100, 7),)).key("engine") == key
    assert Piece((file,)).key("another engine") != key
    for changed in (
        File(file.path, "b.png", 100, 7),
        File(file.path, "a.png", 101, 7),
        File(file.path, "a.png", 100, 8),
    ):
        assert Piece((changed,)).key("engine") != key
