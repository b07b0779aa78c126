"""What each of several processes with the same engine holds in memory: of its own, and shared with others.

Each opens the engine, segments one picture, and waits until all have; then each reads the system's accounts
of itself and of what computes for it (Linux). The first row is of processes that import the engine's library
and open nothing.

    python -m benchmarks.processes ENGINE... [--processes N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import statistics
from collections.abc import Mapping
from importlib import import_module
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

from edgeseg.engines.registry import facts_of
from edgeseg.manifest import read_manifest
from edgeseg.runtime import Segmenter
from edgeseg.runtime.profiling.memory import peak_bytes

PROCESSES = Path("/proc")
KINDS = {
    "own": ("Private_Clean", "Private_Dirty"),
    "shared": ("Shared_Clean", "Shared_Dirty"),
    "share": ("Pss",),  # its own, and of what n processes share an n-th
}
KIB, BYTES_PER_MIB = 1024, 1 << 20
WAIT_S = 120.0


def main() -> None:
    """Print a row an engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engines", nargs="+", type=Path, metavar="ENGINE")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{'MiB of each process':36} {'own':>7} {'shared':>7} {'share':>7} {'peak':>7}")
    for engine in arguments.engines:
        for opened in (None, engine):
            found = measure(engine, opened is not None, arguments.processes)
            name = engine.name if opened else f"{read_manifest(engine).backend}, nothing opened"
            print(f"{name:36} " + " ".join(f"{found[kind]:7.1f}" for kind in (*KINDS, "peak")), flush=True)


def measure(engine: Path, opens: bool, processes: int) -> dict[str, float]:
    """Start processes that live at once: means over them, in MiB."""
    context = multiprocessing.get_context("spawn")
    ready, answers = context.Barrier(processes), context.SimpleQueue()
    started = [context.Process(target=_hold, args=(engine, opens, ready, answers)) for _ in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    if any(process.exitcode for process in started):
        raise SystemExit(f"{engine}: a process failed")
    each: list[Mapping[str, float]] = [answers.get() for _ in started]
    return {kind: statistics.fmean(one[kind] for one in each) for kind in each[0]}


def _hold(
    engine: Path, opens: bool, ready: Barrier, answers: multiprocessing.SimpleQueue[dict[str, float]]
) -> None:
    """Open an engine, or import its library alone; read the account when all others are here, too."""
    spec = read_manifest(engine).spec.input
    if opens:
        segment = Segmenter.open(engine)
        segment(np.zeros((spec.height, spec.width, spec.channels), spec.dtype))
    else:
        import_module(facts_of(read_manifest(engine).backend).modules[0])
    ready.wait(WAIT_S)
    children = (path.read_text().split() for path in (PROCESSES / "self" / "task").glob("*/children"))
    held = ("self", *(child for some in children for child in some))
    account = "".join((PROCESSES / process / "smaps_rollup").read_text() for process in held)
    ready.wait(WAIT_S)
    amounts = {kind: sum(_kib(account, name) for name in names) * KIB for kind, names in KINDS.items()}
    amounts["peak"] = peak_bytes()
    answers.put({kind: amount / BYTES_PER_MIB for kind, amount in amounts.items()})


def _kib(account: str, name: str) -> int:
    return sum(map(int, re.findall(rf"^{name}:\s+(\d+) kB$", account, re.MULTILINE)))


if __name__ == "__main__":
    main()
