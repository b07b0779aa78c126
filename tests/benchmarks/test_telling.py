"""A table of contenders says which peer is faster only where the rounds do not explain it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from benchmarks.peers.telling import verdict


@pytest.mark.parametrize(
    ("theirs_ms", "said"),
    [
        ([12.0] * 7, "no peer is faster than edgeseg auto; the fastest peer, mnn, takes 1.20 times as long"),
        (
            [9.9, 9.9, 9.9, 9.9, 10.1, 9.9, 9.9],
            "beyond noise; the fastest peer, mnn, takes 0.99 times as long",
        ),
        ([30.0] * 3, "no peer is faster than edgeseg auto; the fastest peer, mnn, takes 3.00 times as long"),
        ([9.0] * 7, "FASTER THAN OURS: mnn, against edgeseg auto; the fastest peer, mnn, takes 0.90 times"),
    ],
)
def test_a_peer_is_faster_only_beyond_noise(theirs_ms: list[float], said: str) -> None:
    ours = {"times_ms": [10.0] * 7}
    assert said in verdict("edgeseg auto", ours, "mnn", {"times_ms": theirs_ms})
