"""Join the Ray cluster at an address, or start one of this machine."""

from __future__ import annotations

import socket
from typing import Any

from edgeseg import interrupts
from edgeseg.errors import EngineError, UsageError

EXTRA = "scale"
HERE = "local"  # in place of an address: a cluster of this machine alone, for this run
ANSWER_S = 5.0  # that a cluster has to answer in


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
        host, _, port = address.rpartition(":")
        if port.isdecimal() and "//" not in host:  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), ANSWER_S).close()
        with interrupts.kept():
            ray.init(
                address=HERE if here else address,
                include_dashboard=False if here else None,
                log_to_driver=False,
                logging_level="ERROR",
            )
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
