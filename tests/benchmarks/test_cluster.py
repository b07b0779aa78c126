"""A simulated batch is never faster than its slowest part, and nearly as fast as that."""

from __future__ import annotations

import pytest

pytest.importorskip("simpy", reason="simpy is not installed; run: pip install simpy")

from benchmarks.batches.cluster import Load, Store, simulate

FAST = Store(latency_ms=0, gigabytes=1e6, gets=1e9, puts=1e9)


def load(**changes: float) -> Load:
    about = {"picture_ms": 50.0, "picture_kb": 100.0, "part_kb": 100.0, "driver_ms": 0.001, **changes}
    return Load("shards", 64, 4, True, **about)


@pytest.mark.parametrize(
    ("some", "store", "limit", "short"),
    [
        (load(), FAST, 100 * 1000 / 50, "workers"),
        (load(driver_ms=64), FAST, 1000, "driver"),
        (load(picture_kb=1000), Store(latency_ms=0, gigabytes=0.6, gets=1e9, puts=1e9), 600, "bandwidth"),
        (load(), Store(latency_ms=0, gigabytes=1e6, gets=40, puts=1e9), 40 / 4 * 64, "requests to read"),
        (load(), Store(latency_ms=0, gigabytes=1e6, gets=1e9, puts=20), 20 / 2 * 64, "requests to write"),
    ],
)
def test_the_slowest_part_sets_the_rate(some: Load, store: Store, limit: float, short: str) -> None:
    outcome = simulate(100, some, store)
    assert outcome.pictures_a_s == pytest.approx(limit, rel=0.1)
    assert outcome.bottleneck == short


def test_a_latency_costs_what_is_waited_for() -> None:
    waiting = simulate(1, load(), Store(latency_ms=160, gigabytes=1e6, gets=1e9, puts=1e9))
    assert waiting.pictures_a_s == pytest.approx(64 / (64 * 0.05 + 6 * 0.16), rel=0.05)
