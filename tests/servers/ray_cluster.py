"""Start clusters of Ray's on loopback: a process that schedules for each node, and what it starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ON_RAY = [
    pytest.mark.minutes,
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of its libraries and sockets
]
"""Marks of modules that start Ray."""


@contextmanager
def ray_cluster(*cores: int, engines: Path | None = None) -> Iterator[Any]:
    """Start a cluster, whose first node is its head.

    Args:
        cores: of each node.
        engines: where nodes put engines that are sent to them; None for where this machine has such files.
    """
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as environment:
        if engines is not None:
            environment.setenv("TMPDIR", str(engines))
            environment.setenv("RAY_TMPDIR", "/tmp")  # Ray's sockets take short paths
        head, *others = cores
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": head})
        try:
            for count in others:
                nodes.add_node(num_cpus=count)  # which waits for it
            yield nodes
        finally:
            nodes.shutdown()
