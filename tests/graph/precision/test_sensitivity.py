"""As few layers stay in float as the drop allows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection

import pytest

from edgeseg.graph.precision.sensitivity import group_layers, search

LAYERS = [f"block{i // 4}.conv{i % 4}" for i in range(16)]


class Costs:
    """A network in which each layer costs its points, whatever the others do."""

    def __init__(self, points: dict[str, float]) -> None:
        self.points = {**dict.fromkeys(LAYERS, 0.01), **points}
        self.calls = 0

    def __call__(self, float_layers: Collection[str]) -> float:
        self.calls += 1
        return sum(points for name, points in self.points.items() if name not in float_layers)


def test_nothing_stays_in_float_where_nothing_must() -> None:
    costs = Costs({})
    found = search(LAYERS, costs, 0.5)
    assert found.float_layers == ()
    assert found.drop_points == pytest.approx(0.16)
    assert costs.calls == 1


def test_the_fewest_most_sensitive_layers_stay_in_float() -> None:
    costs = Costs({"block1.conv2": 2.0, "block3.conv0": 1.0, "block0.conv0": 0.3})
    found = search(LAYERS, costs, 0.5)
    assert [kept.name for kept in found.float_layers] == ["block1.conv2", "block3.conv0"]
    assert found.float_layers[0].reason == "block1.conv2 alone in int8 costs 2.00 points"
    assert found.drop_points == pytest.approx(costs([kept.name for kept in found.float_layers]))
    assert found.curve[0].float_layers == 0
    assert [point.float_layers for point in found.curve] == sorted(p.float_layers for p in found.curve)


def test_an_impossible_limit_leaves_all_in_float() -> None:
    found = search(LAYERS, Costs({}), 0.0)
    assert len(found.float_layers) == len(LAYERS)


def test_within_a_block_only_what_must_stays_in_float(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.graph.precision.sensitivity.MOST_GROUPS", 4)
    monkeypatch.setattr(group_layers, "__defaults__", (4,))
    costs = Costs({"block2.conv1": 2.0})
    found = search(LAYERS, costs, 0.5)
    assert [kept.name for kept in found.float_layers] == ["block2.conv1"]
    assert found.float_layers[0].reason.startswith("block2 alone")


def test_a_spent_budget_is_said() -> None:
    found = search(LAYERS, Costs({"block1.conv2": 2.0}), 0.5, budget_s=0.0)
    assert found.notes == (
        "not all layers were ranked within 0 s",
        "not all float layers were tried in int8 again within 0 s",
    )
    assert found.drop_points <= 0.5


def test_layers_that_there_was_no_time_to_rank_are_the_first_in_float(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    late = dict.fromkeys(LAYERS[10:], 1.0)
    found = search(LAYERS, Costs({"block0.conv1": 2.0, **late}), 0.5, budget_s=8.0)
    assert {kept.name for kept in found.float_layers} >= {"block0.conv1", *late}
    assert len(found.float_layers) < len(LAYERS)
    assert found.drop_points <= 0.5


def test_one_layer_is_found_that_may_be_in_int8_though_its_group_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_layers, "__defaults__", (4,))
    costs = Costs({name: 1.0 for name in LAYERS if name != "block2.conv3"})
    found = search(LAYERS, costs, 0.5, budget_s=0.0)  # also where no time is left
    assert {kept.name for kept in found.float_layers} == {*LAYERS} - {"block2.conv3"}
    assert found.drop_points == pytest.approx(0.01)


def test_layers_that_compute_in_int8_only_together_are_tried_together() -> None:
    """As in a backend that has int8 for a layer only where the next one is to read it."""

    def in_float(float_layers: Collection[str]) -> set[str]:
        alone = {one for one, following in itertools.pairwise(LAYERS) if following in float_layers}
        return {*float_layers, *alone, LAYERS[-1]}

    class Pairs(Costs):
        def __call__(self, float_layers: Collection[str]) -> float:
            return super().__call__(in_float(float_layers))

    some = Pairs({"block1.conv2": 2.0})
    found = search(LAYERS, some, 0.5, in_float=in_float)
    left = in_float([kept.name for kept in found.float_layers])
    assert left == {"block1.conv1", "block1.conv2", LAYERS[-1]}
    pair = ("block2.conv1", "block2.conv2")
    few = Pairs({name: 1.0 for name in LAYERS if name not in pair})
    found = search(LAYERS, few, 0.5, in_float=in_float)
    assert {*LAYERS} - in_float([kept.name for kept in found.float_layers]) == {*pair}
    none = search(LAYERS, Pairs(dict.fromkeys(LAYERS, 1.0)), 0.5, in_float=in_float)
    assert len(none.float_layers) == len(LAYERS)


class Stopped(Costs):
    """A network whose user loses patience after so many candidates."""

    def __init__(self, points: dict[str, float], after: int) -> None:
        super().__init__(points)
        self.after = after

    def __call__(self, float_layers: Collection[str]) -> float:
        if self.calls == self.after:
            raise KeyboardInterrupt
        return super().__call__(float_layers)


def test_an_interrupted_search_ends_with_the_best_so_far() -> None:
    sensitive = {"block1.conv2": 2.0, "block3.conv0": 1.0, "block0.conv0": 0.3}
    whole = search(LAYERS, Costs(sensitive), 0.5)
    early = search(LAYERS, Stopped(sensitive, 4), 0.5)
    late = search(LAYERS, Stopped(sensitive, 2 + len(LAYERS) + 2), 0.5)
    for found in (early, late):
        assert found.interrupted
        assert found.notes == ("the search was interrupted: fewer layers in float may do",)
        assert found.drop_points <= 0.5
        assert len(whole.float_layers) <= len(found.float_layers) < len(LAYERS)
    assert early.float_layers[-1].reason == "not ranked before the search was cut short"
    assert len(late.float_layers) < len(early.float_layers)


def test_a_search_interrupted_before_anything_is_allowed_is_no_result() -> None:
    with pytest.raises(KeyboardInterrupt):
        search(LAYERS, Stopped({"block0.conv0": 9.0}, 2), 0.005)


def test_how_long_it_takes_is_said_before() -> None:
    said: list[str] = []
    search(LAYERS, Costs({"block1.conv2": 2.0}), 0.5, on_step=said.append, budget_s=100.0, seconds_each=2.0)
    # 16 groups, 2 x 5 to find how many, and 16 layers to take back
    assert "ranking 16 groups of layers, about 32 s, and 84 s at most for all; Ctrl-C keeps" in said[0]


def test_layers_share_a_group_by_the_beginning_of_their_names() -> None:
    assert group_layers(LAYERS, most=16) == {name: [name] for name in LAYERS}
    assert list(group_layers(LAYERS, most=15)) == ["block0", "block1", "block2", "block3"]
