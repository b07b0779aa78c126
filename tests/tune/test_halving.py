"""Slow candidates go, and none that could still be the fastest, whatever the noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.tune.halving import (
    FINAL_ROUNDS,
    FIRST_ROUNDS,
    MOST_ROUNDS,
    Round,
    interval_of_median,
    is_slower,
    standing,
    survivors,
)


def kept_of(
    milliseconds: Callable[[int, str], float], names: Sequence[str], plain: Sequence[str]
) -> tuple[str, int]:
    """Time until all is told: the name that is kept, and how many rounds that took."""
    rounds: list[Round] = []
    now = standing(rounds, names, names, plain)
    while not now.over:
        rounds.append({name: milliseconds(len(rounds), name) for name in now.alive})
        now = standing(rounds, names, names, plain)
    return now.alive[0], len(rounds)


def steady(rounds: int, **times_ms: float) -> list[Mapping[str, float]]:
    return [times_ms] * rounds


def test_the_interval_of_a_median_is_that_of_the_binomial() -> None:
    # of 6 values all lie on one side of the median with 2/64 = 3.1 percent: their ends enclose it; of 9,
    # 2 * (1 + 9) / 512 = 3.9 percent: one may be left out at each end
    assert interval_of_median([3, 1, 2, 6, 5, 4]) == (1, 6)
    assert interval_of_median([1, 2, 3, 4, 5, 6, 7, 8, 9]) == (2, 8)
    assert interval_of_median([1, 2, 3, 4, 5]) == (-np.inf, np.inf)
    assert interval_of_median([1, 2, 3, 4, 5, 6, 7, 8, 9], 0.99) == (1, 9)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0).lognormal(sigma=1.0, size=(2000, 12))
    held = [low <= 1 <= high for low, high in map(interval_of_median, drawn.tolist())]
    assert np.mean(held) > 0.95


def test_the_slower_half_goes_once_it_is_slower_for_sure() -> None:
    rounds = steady(FIRST_ROUNDS, a=10, b=11, c=12, d=13)
    assert survivors(rounds, "dcba") == ("a", "b")
    assert survivors(rounds[:-1], "abcd") == ("a", "b", "c", "d")  # too few rounds to be sure


def test_a_candidate_within_noise_stays_although_its_median_is_worse() -> None:
    rounds = [{"a": 10.0, "b": 14.0}] * (FIRST_ROUNDS - 1) + [{"a": 10.0, "b": 9.9}]
    assert not is_slower(rounds, "b", "a")
    assert survivors(rounds, ["a", "b"]) == ("a", "b")


def test_a_drift_that_hits_all_alike_hides_no_difference() -> None:
    rounds = [{"a": 10.0 * drift, "b": 10.5 * drift} for drift in (1, 3, 2, 5, 1, 4)]
    assert is_slower(rounds, "b", "a")


def test_inaccurate_candidates_are_timed_in_the_first_rounds_alone() -> None:
    rounds = steady(FIRST_ROUNDS, quick=1, right=10, slow=30)
    assert standing(rounds[:3], ["quick", "right", "slow"], {"right", "slow"}).alive == (
        "quick",
        "right",
        "slow",
    )
    now = standing(rounds, ["quick", "right", "slow"], {"right", "slow"})
    assert (now.alive, now.over) == (("right",), True)


def test_equals_are_timed_until_the_last_round() -> None:
    assert not standing(steady(MOST_ROUNDS - 1, a=5, b=5), ["a", "b"], {"a", "b"}).over
    now = standing(steady(MOST_ROUNDS, a=5, b=5), ["a", "b"], {"a", "b"})
    assert (set(now.alive), now.over) == ({"a", "b"}, True)


@pytest.mark.parametrize("accurate", [set(), {"a"}])
def test_nothing_is_left_to_tell_of_none_or_one(accurate: set[str]) -> None:
    now = standing(steady(FIRST_ROUNDS, a=5, b=6), ["a", "b"], accurate)
    assert (set(now.alive), now.over) == (accurate, True)


@pytest.mark.parametrize("seed", range(20))
def test_a_plain_choice_is_kept_where_others_are_as_fast(seed: int) -> None:
    # of nine that are alike, noise of 20 percent makes one lead by luck: a user gains nothing by it
    noise = np.random.default_rng(seed).lognormal(sigma=0.2, size=(200, 9))
    kept, _ = kept_of(lambda number, name: noise[number, "abcdefghi".index(name)], "abcdefghi", "aeh")
    assert kept in "aeh"


@pytest.mark.parametrize("seed", range(20))
def test_what_is_faster_for_sure_is_kept_although_it_is_not_plain(seed: int) -> None:
    noise = np.random.default_rng(seed).lognormal(sigma=0.05, size=(200, 4))
    times_ms = {"a": 10.0, "b": 8.0, "c": 12.0, "d": 30.0}
    kept, _ = kept_of(lambda number, name: noise[number, "abcd".index(name)] * times_ms[name], "abcd", "acd")
    assert kept == "b"


def test_a_plain_choice_that_a_disturbed_start_dropped_comes_back() -> None:
    # a neighbour takes a core in the first rounds, which costs the choice with more threads a third
    def milliseconds(number: int, name: str) -> float:
        if name == "two threads":
            return 12.0 if number < FIRST_ROUNDS else 9.0
        return 10.0 if name == "one thread" else 10.5

    names = ["one thread", "one thread, asleep", "two threads"]
    rounds: list[Round] = [
        {name: milliseconds(number, name) for name in names} for number in range(FIRST_ROUNDS)
    ]
    assert standing(rounds, names, names).alive == ("one thread", "one thread, asleep")
    assert kept_of(milliseconds, names, ["two threads"]) == (
        "two threads",
        2 * FIRST_ROUNDS + FINAL_ROUNDS[0],
    )


def test_a_final_goes_on_while_another_could_be_faster() -> None:
    def milliseconds(number: int, name: str) -> float:
        return 11.0 if name == "b" else 10.0 if number < FIRST_ROUNDS else 10.0 + 2 * (-1) ** number

    assert kept_of(milliseconds, "ab", "b") == ("b", FIRST_ROUNDS + FINAL_ROUNDS[-1])


def test_a_hopeless_plain_choice_takes_nobodys_time() -> None:
    assert kept_of(lambda _, name: {"a": 10, "b": 16}[name], "ab", "b") == ("a", FIRST_ROUNDS)


def test_rounds_of_a_final_decide_alone_once_they_can_tell_anything() -> None:
    rounds = steady(2 * FIRST_ROUNDS - 1, a=10, b=11)
    assert standing(rounds, "ab", "ab", "b").alive == ("a", "b")
    rounds = steady(FIRST_ROUNDS, a=10, b=11) + steady(FIRST_ROUNDS, a=10, b=9)
    assert standing(rounds, "ab", "ab", "b").alive == ("b", "a")
    assert not standing(rounds, "ab", "ab", "b").over


@given(st.lists(st.tuples(*[st.floats(1, 9)] * 4), min_size=FIRST_ROUNDS, max_size=20))
def test_who_is_dropped_is_slower_than_the_fastest_for_sure(times: list[tuple[float, ...]]) -> None:
    rounds = [dict(zip("abcd", one, strict=True)) for one in times]
    alive = survivors(rounds, "abcd")
    assert all(is_slower(rounds, name, alive[0]) for name in set("abcd") - set(alive))
