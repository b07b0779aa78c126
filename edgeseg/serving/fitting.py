"""Find out whether replicas fit on a Ray cluster, and say what they wait for if they are long in coming."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from edgeseg.errors import UsageError
from edgeseg.manifest import Manifest

PATIENCE_S = 20.0  # that replicas may take to start before a line says what they wait for
_NVIDIA = ("cuda", "tensorrt", "tensorrt_rtx")  # devices; Ray counts no others' GPUs without more ado


class Needs(NamedTuple):
    """Cores and GPUs of a replica, as Ray counts them."""

    cores: float
    gpus: float = 0.0

    def __str__(self) -> str:
        return _amounts(self.cores, self.gpus)


def needs_of(manifest: Manifest, device: str | None, threads: int | None) -> Needs:
    """Say what a replica of an engine takes.

    Args:
        device: where it is to run; None stands for where it was built for.
        threads: of each inference.
    """
    return Needs(float(threads or 1), float((device or manifest.device) in _NVIDIA))


def refuse_unfit(ray: Any, needs: Needs, replicas: int) -> None:
    """Raise UsageError if the cluster could not hold so many replicas, were nothing else on it.

    Args:
        ray: the library, joined.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(_room(node, needs) for node in nodes)
    if room >= replicas:
        return
    cores, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    if room:
        fix = f"give --replicas {room}, or more nodes"
    elif needs.gpus and not gpus:
        fix = "give --device cpu, or nodes whose GPUs Ray counts"
    else:
        fix = "give fewer --threads, or larger nodes"
    raise UsageError(
        f"{replicas} replica{'s' * (replicas > 1)} of {needs} each do not fit: the cluster has "
        f"{_amounts(cores, gpus)}; {fix}"
    )


@contextmanager
def telling(
    tell: Callable[[str], None], ray: Any, running: Callable[[], int], replicas: int, needs: Needs
) -> Iterator[None]:
    """Say once what replicas wait for, if the block takes longer than PATIENCE_S.

    Args:
        running: gives how many replicas run.
    """

    def say() -> None:
        if ended.wait(PATIENCE_S):
            return
        with suppress(Exception):  # Ray's own, where it ends meanwhile
            free, there = ray.available_resources(), running()
            if there < replicas:
                tell(
                    f"{there} of {replicas} replicas run so far; each takes {needs}, the cluster has "
                    f"{_amounts(free.get('CPU', 0.0), free.get('GPU', 0.0))} free"
                )

    ended = threading.Event()
    saying = threading.Thread(target=say, name="edgeseg-serve-waiting", daemon=True)
    saying.start()
    try:
        yield
    finally:
        ended.set()
        saying.join()


def _room(node: dict[str, float], needs: Needs) -> int:
    room = int(node.get("CPU", 0.0) // needs.cores)
    return min(room, int(node.get("GPU", 0.0) // needs.gpus)) if needs.gpus else room


def _amounts(cores: float, gpus: float) -> str:
    told = f"{cores:g} core{'s' * (cores != 1)}"
    return f"{told} and {gpus:g} GPU{'s' * (gpus != 1)}" if gpus else told
