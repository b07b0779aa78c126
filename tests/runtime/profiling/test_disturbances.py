"""A disturbed run says so, and by how much; a quiet one says nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeseg.runtime.profiling.disturbances import disturbances
from edgeseg.runtime.profiling.surroundings import Spread, Surroundings

QUIET = Surroundings(
    seconds=10.0,
    samples=42,
    watching_percent=0.2,
    cores=(0, 1, 2, 3),
    clock_mhz=None,
    clock_limit_mhz=None,
    gpu_clock_mhz=None,
    governor=None,
    temperatures_c={},
    throttling={},
    others_percent=2.0,
    steal_percent=0.0,
    waiting_percent=1.0,
    quota_cores=None,
    held_back_percent=None,
    pressure_percent={"cpu": 80.0},
    swapped_mb=0.0,
    huge_pages="madvise",
    disturbances=(),
)
STEADY = [3500.0] * 40


@pytest.mark.parametrize(
    ("changes", "kind", "text", "percent"),
    [
        ({"others_percent": 31.4}, "others", "other programs took 31 % of the 4 cores", 31.4),
        (
            {"others_percent": 3.0, "waiting_percent": 22.0},
            "others",
            "other programs took 3 % of the 4 cores; its threads waited 22 % of their time for a core",
            3.0,
        ),
        ({"steal_percent": 8.0}, "steal", "other virtual machines took 8 % of the cores (steal)", 8.0),
        (
            {"held_back_percent": 12.0, "quota_cores": 0.5},
            "quota",
            "the control group's quota of 0.5 cores held it back 12 % of the time",
            12.0,
        ),
        (
            {
                "throttling": {"package throttle": 14},
                "temperatures_c": {"coretemp": Spread(60.0, 80.0, 99.6)},
            },
            "throttling",
            "the machine reported throttling: package throttle (14 times), at up to 100 °C",
            None,
        ),
        (
            {"pressure_percent": {"memory": 30.0}, "swapped_mb": 12.0},
            "memory",
            "memory was short: programs waited 30 % of the time for it and 12 MiB were swapped",
            30.0,
        ),
    ],
)
def test_each_kind_is_told(changes: dict[str, object], kind: str, text: str, percent: float | None) -> None:
    (found,) = disturbances(replace(QUIET, **changes), STEADY)  # type: ignore[arg-type]
    assert (found.kind, found.text, found.percent) == (kind, text, percent)


def test_waiting_for_the_quota_is_not_blamed_on_others() -> None:
    seen = replace(QUIET, held_back_percent=80.0, waiting_percent=80.0)
    assert [found.kind for found in disturbances(seen, STEADY)] == ["quota"]


def test_a_quiet_run_is_not_disturbed() -> None:
    assert disturbances(QUIET, STEADY) == ()
    assert disturbances(replace(QUIET, others_percent=None, throttling=None), []) == ()


def test_an_engine_whose_own_threads_wait_for_each_other_is_not_disturbed() -> None:
    assert disturbances(replace(QUIET, others_percent=0.2, waiting_percent=40.0), STEADY) == ()


def test_a_clock_that_fell_is_told() -> None:
    (found,) = disturbances(QUIET, [3500.0] * 20 + [2100.0] * 20)
    assert found.text == "the clock fell from 3.5 to 2.1 GHz"
    assert found.percent == pytest.approx(40.0)


@pytest.mark.parametrize(
    "clocks_mhz",
    [
        [800.0] * 5 + [3500.0] * 35,  # it rose when the run began
        [3500.0] * 20 + [800.0, 900.0] + [3500.0] * 20,  # for a moment
        [3500.0, 3300.0] * 20,
    ],
)
def test_a_clock_that_rises_or_blinks_has_not_fallen(clocks_mhz: list[float]) -> None:
    assert disturbances(QUIET, clocks_mhz) == ()
