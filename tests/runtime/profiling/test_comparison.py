from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from edgeseg.errors import UsageError
from edgeseg.records import from_json_value
from edgeseg.runtime.profiling.assembly import Opened
from edgeseg.runtime.profiling.comparison import Comparison, compare, pairs_of
from edgeseg.runtime.segmenter import Segmenter

from ..fakes import GreyFrames, bright_pixels
from .reports import a_profile


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.profiling.comparison.SETTLE_S", 0.0)


def noting(calls: list[str], name: str) -> Callable[[], object]:
    return lambda: calls.append(name)


def engines(calls: list[str], names: str) -> list[Segmenter]:
    return [bright_pixels(noting(calls, name)) for name in names]


def test_engines_take_turns_and_each_comes_after_each_other_equally_often() -> None:
    calls: list[str] = []
    found = compare(engines(calls, "ab"), GreyFrames([1, 200]), [Opened()] * 2, warmup=0, frames=8)
    assert found.rounds == 8
    rounds = ["".join(calls[start : start + 2]) for start in range(0, len(calls), 2)]
    assert sorted(rounds) == ["ab"] * 4 + ["ba"] * 4


def test_each_engine_has_a_profile_and_every_two_a_ratio() -> None:
    found = compare(engines([], "abc"), GreyFrames([1]), [Opened(engine=name) for name in "abc"], frames=6)
    assert [report.engine for report in found.profiles] == ["a", "b", "c"]
    assert {report.latency_ms.samples for report in found.profiles} == {6}
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    for pair in found.pairs:
        assert pair.latency.low <= pair.latency.high
        assert pair.latency.coverage == pytest.approx(1 - 0.05 / 6)  # six ratios share five percent
    assert "take turns" in found.profiles[0].meaning["latency_ms"]


def test_a_comparison_is_the_same_after_json() -> None:
    found = compare(engines([], "ab"), GreyFrames([1]), [Opened()] * 2, frames=5, warmup=0)
    assert from_json_value(Comparison, json.loads(json.dumps(found.to_json_value()))) == found


def test_the_slower_engine_is_named() -> None:
    first, slower = a_profile(seed=1), a_profile(scale=1.5, seed=2)
    (pair,) = pairs_of([first, slower])
    assert pair.latency.is_different
    assert pair.inference.is_different
    assert pair.latency.value == pytest.approx(1.5, rel=0.05)
    (same,) = pairs_of([first, dataclasses.replace(first)])
    assert not same.latency.is_different


def test_one_engine_is_no_comparison() -> None:
    with pytest.raises(UsageError, match="two engines at least, got 1"):
        compare(engines([], "a"), GreyFrames([1]), [Opened()])


def test_too_few_frames_are_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="5 frames at least, got 2; add --frames 100"):
        compare(engines([], "ab"), GreyFrames([1]), [Opened()] * 2, frames=2)


def test_time_ends_the_rounds_with_as_many_as_an_interval_takes() -> None:
    found = compare(engines([], "ab"), GreyFrames([1]), [Opened()] * 2, warmup=0, frames=10**9, seconds=0.0)
    assert found.rounds == 5
