"""What a tuning keeps is found by what it depends on, and passed over where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.errors import EngineError, UsageError
from edgeseg.tune.work import Work

KEY = {"model": "a", "threads": None, "sizes": (1, 2)}


def test_what_was_kept_is_there_for_the_next_run(tmp_path: Path) -> None:
    with Work(tmp_path / "work") as work:
        assert work.recall("engines", KEY) is None
        work.keep("engines", KEY, {"rounds": [1.5]})
    with Work(tmp_path / "work") as work:
        assert work.recall("engines", KEY) == {"rounds": [1.5]}
        assert work.recall("engines", {**KEY, "model": "b"}) is None
        assert work.recall("accuracy", KEY) is None
        assert work.place("engines", KEY) != work.place("engines", {**KEY, "model": "b"})


def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    with Work(tmp_path) as work:
        work.keep("engines", KEY, 5)
        (kept,) = (tmp_path / "engines").glob("*.json")
        for content in ("", "[]", '{"key": {}, "value": 5}', kept.read_text()[:-9]):
            kept.write_text(content)
            assert work.recall("engines", KEY) is None


def test_another_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with Work(tmp_path), pytest.raises(EngineError, match="another run"):
        Work(tmp_path)
    Work(tmp_path).__exit__()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(UsageError, match="something else than a tuning's work; choose another --work"):
        Work(tmp_path)
