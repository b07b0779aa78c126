"""Engines are ranked by the median of what may be kept, and each is told of by its fastest way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import read_manifest
from edgeseg.tune.entrants import Entrant
from edgeseg.tune.halving import FIRST_ROUNDS
from edgeseg.tune.making import Made
from edgeseg.tune.ranking import Ranking
from edgeseg.tune.space import Plan
from edgeseg.tune.timing import Timed
from tests.runtime.tiny_models import labels_engine, portable_model

MIB = 1 << 20
TIMES = {"0.0": 10.0, "0.1": 9.0, "1.0": 5.0, "2.0": 9.1}
NOISE = (1.0, 1.2, 1.0, 0.8, 1.0, 1.0)


@pytest.fixture
def ranking(tmp_path: Path) -> Ranking:
    """Three engines: of 0.2 points lost in two ways, of 2 points lost, of none."""
    manifest = read_manifest(labels_engine(tmp_path / "engine"))
    model = PortableModel.read(portable_model(tmp_path / "engine", tmp_path / "model.onnx"))
    entrants = []
    for points, threads in ((89.8, (1, 2)), (88.0, (1,)), (90.0, (1,))):
        ways = tuple({"intra_op_threads": count} for count in threads)
        plan = Plan(0, "onnxruntime", "cpu", "fp32")
        made = Made(plan, tmp_path / "engine", dataclasses.replace(manifest, options=ways[0]), ways)
        entrants.append(Entrant(made, points, 100 * MIB))
    return Ranking.of([model], entrants, fp32_points=90.0, max_drop=0.5)


@pytest.fixture
def timed() -> Timed:
    rounds = [{name: ms * (noise if name == "2.0" else 1) for name, ms in TIMES.items()} for noise in NOISE]
    assert len(rounds) == FIRST_ROUNDS
    return Timed(rounds, {}, ("2.0", "0.1"), True, rounds)


def test_those_within_the_points_are_kept_those_first_that_are_still_timed(
    ranking: Ranking, timed: Timed
) -> None:
    assert ranking.accurate == {"0.0", "0.1", "2.0"}
    assert ranking.order(timed) == ["2.0", "0.1", "0.0"]
    assert ranking.plain == {"0.0", "1.0", "2.0"}
    assert ranking.ways["0.1"].manifest.options == {"intra_op_threads": 2}


def test_there_is_a_row_an_engine_fastest_first(ranking: Ranking, timed: Timed) -> None:
    rows = ranking.candidates(timed, "0.1")
    assert [(one.latency_ms, one.verdict) for one in rows] == [
        (5.0, "loses too much"), (9.0, "kept"), (9.1, "as fast within noise"),
    ]  # fmt: skip
    # the one of 9.1 ms is as fast as that of 9.0 within 2 percent, and loses nothing
    assert [one.on_front for one in rows] == [True, False, True]
    assert rows[1].tried == {"intra_op_threads": 2}
    assert (rows[1].drop_points, rows[1].memory_mb, rows[1].rounds) == (0.2, 100.0, FIRST_ROUNDS)
    assert rows[1].interval_ms == (9.0, 9.0)


def test_the_way_that_is_kept_is_told_of_although_another_was_faster(ranking: Ranking, timed: Timed) -> None:
    (kept,) = [one for one in ranking.candidates(timed, "0.0") if one.verdict == "kept"]
    assert (kept.latency_ms, kept.options) == (10.0, {"intra_op_threads": 1})
