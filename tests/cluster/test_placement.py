"""Where cameras go: everyone somewhere, evenly, and none back and forth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgeseg.cluster.placement import BUSY, GAIN, LEAST_LOAD, Loads, Nodes, Placed, move, place

CORES = st.floats(0.5, 64)
NODES = st.dictionaries(st.sampled_from("abcde"), CORES, min_size=1)
NAMES = st.integers(0, 20).map(lambda number: f"camera-{number}")
LOADS = st.dictionaries(NAMES, st.floats(0, 8))


def shares(loads: Loads, nodes: Nodes, placed: Placed) -> dict[str, float]:
    """Give the share of its cores that is taken on each node."""
    taken = {
        node: sum(max(loads[camera], LEAST_LOAD) for camera, there in placed.items() if there == node)
        for node in nodes
    }
    return {node: taken[node] / nodes[node] for node in nodes}


def test_the_largest_goes_where_its_share_is_least() -> None:
    loads = {"big": 2.0, "mid": 1.0, "small": 0.5}
    assert place(loads, {"a": 2.0, "b": 4.0}, {}) == {"big": "b", "mid": "a", "small": "b"}


def test_cameras_of_a_node_that_is_gone_are_spread_and_the_others_stay() -> None:
    loads = {"one": 0.5, "two": 0.5, "three": 0.5, "four": 0.5}
    before = {"one": "a", "two": "a", "three": "b", "four": "c"}
    after = place(loads, {"b": 2.0, "c": 2.0}, before)
    assert after == {**before, "one": "b", "two": "c"}


def test_where_there_is_no_node_none_is_placed() -> None:
    assert place({"one": 1.0}, {}, {"one": "a"}) == {}
    assert move({"one": 1.0}, {}, {"one": "a"}) is None


def test_a_busy_node_gives_one_camera_to_a_free_one() -> None:
    loads = {"one": 0.9, "two": 0.9}
    assert move(loads, {"a": 2.0, "b": 2.0}, {"one": "a", "two": "a"}) == ("one", "b")


def test_nothing_moves_where_nothing_is_gained() -> None:
    nodes = {"a": 2.0, "b": 2.0}
    assert move({"one": 0.5, "two": 0.5}, nodes, {"one": "a", "two": "a"}) is None  # it is not busy
    assert move({"one": 2.0}, nodes, {"one": "a"}) is None  # the other would be as busy
    even = {"one": "a", "two": "a", "three": "b"}
    assert move(dict.fromkeys(even, 0.8), nodes, even) is None


@given(LOADS, NODES, st.dictionaries(NAMES, st.sampled_from("abcdef")))
def test_every_camera_has_a_node_that_is_there_and_those_that_had_one_stay(
    loads: dict[str, float], nodes: dict[str, float], placed: dict[str, str]
) -> None:
    found = place(loads, nodes, placed)
    assert set(found) == set(loads)
    assert set(found.values()) <= set(nodes)
    assert all(found[camera] == node for camera, node in placed.items() if camera in loads and node in nodes)
    assert place(loads, nodes, found) == found


@given(LOADS, NODES)
def test_moves_come_to_an_end_and_each_is_worth_its_gap(
    loads: dict[str, float], nodes: dict[str, float]
) -> None:
    placed = dict.fromkeys(loads, min(nodes))
    for _ in range(200):
        before = shares(loads, nodes, placed)
        if (found := move(loads, nodes, placed)) is None:
            return
        camera, node = found
        left, placed[camera] = placed[camera], node
        after = shares(loads, nodes, placed)
        assert before[left] >= BUSY
        assert max(after[left], after[node]) <= GAIN * max(before.values()) * (1 + 1e-9)
    raise AssertionError("cameras move for ever")


@given(LOADS, NODES, st.data())
def test_a_camera_does_not_go_back_for_a_little_noise(
    loads: dict[str, float], nodes: dict[str, float], data: st.DataObject
) -> None:
    placed = place(loads, {min(nodes): 1.0}, {})
    if (found := move(loads, nodes, placed)) is None:
        return
    camera, node = found
    left, placed[camera] = placed[camera], node
    noisy = {name: max(load, LEAST_LOAD) * data.draw(st.floats(0.93, 1.07)) for name, load in loads.items()}
    assert move(noisy, nodes, placed) != (camera, left)


def test_a_camera_goes_to_no_node_that_cannot_run_it() -> None:
    loads, nodes = {"one": 0.9, "two": 0.9}, {"a": 2.0, "b": 2.0}
    assert place(loads, nodes, {}, {"one": {"a"}, "two": {"a"}}) == {"one": "b", "two": "b"}
    assert place(loads, nodes, {}, {"one": {"a", "b"}}) == {"two": "a"}
    both = {"one": "a", "two": "a"}
    assert move(loads, nodes, both, {"one": {"b"}}) == ("two", "b")
    assert move(loads, nodes, both, {"one": {"b"}, "two": {"b"}}) is None
