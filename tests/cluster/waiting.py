"""Wait for what comes about in other processes."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeseg.cluster.cameras import Cameras
from edgeseg.cluster.status import ClusterStatus

DEADLINE_S = 180.0


def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def look_until(cameras: Cameras, condition: Callable[[ClusterStatus], object]) -> ClusterStatus:
    """Look at the cluster, once at least, until it is so or all cameras have ended."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not (cameras.look() or condition(cameras.status())):
        assert time.monotonic() < deadline_s, "\n".join(map(str, cameras.status().nodes))
        time.sleep(0.05)
    return cameras.status()


def have_results(status: ClusterStatus) -> bool:
    """Whether all cameras have some results, from where they are now."""
    return all(one.stream is not None and one.stream.results > 5 for one in status.cameras)
