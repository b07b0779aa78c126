"""As few layers stay in float as the drop allows."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from edgeseg.export.precision.sensitivity import group_layers, search

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
    monkeypatch.setattr("edgeseg.export.precision.sensitivity.MOST_GROUPS", 4)
    monkeypatch.setattr(group_layers, "__defaults__", (4,))
    costs = Costs({"block2.conv1": 2.0})
    found = search(LAYERS, costs, 0.5)
    assert [kept.name for kept in found.float_layers] == ["block2.conv1"]
    assert found.float_layers[0].reason.startswith("block2 alone")


def test_a_spent_budget_is_said() -> None:
    found = search(LAYERS, Costs({"block1.conv2": 2.0}), 0.5, budget_s=0.0)
    assert found.notes == ("not all layers were ranked within 0 s",)
    assert found.drop_points <= 0.5


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
    assert early.float_layers[-1].reason == "not ranked before the search was interrupted"
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
