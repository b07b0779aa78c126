"""Join the Ray cluster at an address, or start one of this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from edgeseg import interrupts
from edgeseg.errors import EngineError, UsageError

EXTRA = "scale"
HERE = "local"  # in place of an address: a cluster of this machine alone, for this run
OF_HERE = {
    "worker_niceness": 0,  # of processes, above this one; Ray's own choice is 15
    "metrics_report_interval_ms": 60_000,  # that nobody reads; six times Ray's own choice
}
ANSWER_S = 5.0  # that a cluster has to answer in
LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"  # variable: of what Ray's library prints to standard error
STANDARD_ERROR = 2


def join(ray: Any, address: str) -> None:
    """Make this process a driver of the cluster, until `ray.shutdown`.

    Args:
        ray: the library.
        address: of the cluster, `auto` for that of this machine; HERE for one of its own.

    Raises:
        EngineError: if Ray does not start here.
        UsageError: if there is no cluster at that address.
    """
    here = address == HERE
    try:
        place = urlsplit(address if "//" in address else f"//{address}")
        if place.hostname and place.port:  # Ray itself tries for half a minute
            socket.create_connection((place.hostname, place.port), ANSWER_S).close()
        with interrupts.kept(), _quiet():
            ray.init(
                address=HERE if here else address,
                include_dashboard=False if here else None,
                _system_config=dict(OF_HERE) if here else None,
                log_to_driver=False,
                logging_level="ERROR",
            )
        # Else it prints what it has to say of nodes and processes that ended, which whoever uses them says.
        ray._private.worker._worker_logs_enabled = False
    except Exception as error:  # Ray raises bare ones, too
        if here:
            raise EngineError(
                f"Ray does not start on this machine ({str(error).splitlines()[0]}); try again when it is "
                "less busy, or leave out --ray"
            ) from error
        raise UsageError(
            f"there is no Ray cluster at {address!r} ({str(error).splitlines()[0]}); start one with "
            f"`ray start --head`, or give --ray {HERE}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's library from printing, at once and later; what there is to know, its Python side raises.

    That it will print less it would print, too.
    """
    told = LOG_LEVEL in os.environ
    try:
        kept = None if told else os.dup(STANDARD_ERROR)
    except OSError:  # closed
        kept = None
    if kept is not None:
        os.environ[LOG_LEVEL] = "fatal"
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STANDARD_ERROR)
        os.close(nowhere)
    try:
        yield
    finally:
        if kept is not None:
            os.dup2(kept, STANDARD_ERROR)
            os.close(kept)
            del os.environ[LOG_LEVEL]
