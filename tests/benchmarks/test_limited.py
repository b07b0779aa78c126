"""A program is ended with all that it started, and what it said until then is kept."""

from __future__ import annotations

import pytest

from benchmarks.parts.limited import Ended, run_limited


def test_what_is_printed_is_told_line_by_line_and_kept() -> None:
    told: list[str] = []
    ended = run_limited(("sh", "-c", "echo one; echo two; echo wrong >&2; exit 3"), 60.0, on_line=told.append)
    assert ended == Ended(3, "one\ntwo\n", "wrong\n")
    assert told == ["one", "two"]


def test_errors_may_stand_among_what_is_printed() -> None:
    ended = run_limited(("sh", "-c", "echo one; echo wrong >&2; echo two"), 60.0, together=True)
    assert ended == Ended(0, "one\nwrong\ntwo\n", "")


@pytest.mark.parametrize(("last", "limit_s", "status"), [("sleep 600", 1.0, None), ("exit 0", 60.0, 0)])
def test_nothing_of_what_it_started_is_left(last: str, limit_s: float, status: int | None) -> None:
    # while another has the standard output, reading it would not end
    ended = run_limited(("sh", "-c", f"echo said; sleep 600 & {last}"), limit_s)
    assert ended == Ended(status, "said\n", "")
