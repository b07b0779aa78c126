"""How many pictures a second each way takes: `edgeseg run`, and `edgeseg batch` by processes and by Ray."""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.batches.archive import results_of

EDGESEG = (sys.executable, "-m", "edgeseg")
RUN, RUN_HELD, BOTH = "run", "run-one-core", "two-runs"
WAYS: Mapping[str, int] = {
    RUN: 0, RUN_HELD: 0, BOTH: 0, "batch-1": 1, "batch-2": 2, "ray-1": 1, "ray-2": 2
}  # and the workers of `batch`  # fmt: skip
HELD = (("taskset", "-c", "0"), ("taskset", "-c", "1"))  # to a core each
TITLES = ("median", "least", "most", "of two runs", "the few s", "core ms each")


@dataclass
class Found:
    """What was measured of a way, a round after another.

    Attributes:
        rates: pictures a second.
        few_s: what the smaller archive took.
        core_ms: processor time of a picture.
    """

    rates: list[float] = field(default_factory=list)
    few_s: list[float] = field(default_factory=list)
    core_ms: list[float] = field(default_factory=list)


def throughput(
    folder: Path, engine: Path, archives: tuple[Path, Path], repeats: int, ways: Sequence[str]
) -> None:
    """Compare ways, a round after another, each round beginning with another way, and print a table.

    Args:
        folder: for results.
        archives: a smaller and a larger one; what the second takes longer is measured.
    """
    few, many = archives
    ways = [*dict.fromkeys([*ways, BOTH])]  # which all are compared with
    found = {way: Found() for way in ways}
    counts = len(list(few.iterdir())), len(list(many.iterdir()))
    written: dict[str, bytes] = {}
    for repeat in range(repeats):
        first = repeat % len(ways)
        for way in ways[first:] + ways[:first]:
            pictures = (2 if way == BOTH else 1) * (counts[1] - counts[0])
            few_s, few_core_s, _ = _taken(folder, engine, few, way)
            many_s, many_core_s, results = _taken(folder, engine, many, way)
            found[way].rates.append(pictures / (many_s - few_s))
            found[way].few_s.append(few_s)
            found[way].core_ms.append(1000 * (many_core_s - few_core_s) / pictures)
            written = written or results
            assert not results or results == written, f"{way} wrote other bytes"
    print(f"{'pictures a second':20}" + "".join(f"{title:>13}" for title in TITLES))
    for way, one in found.items():
        shares = [rate / both for rate, both in zip(one.rates, found[BOTH].rates, strict=True)]
        middle = statistics.median
        row = (middle(one.rates), min(one.rates), max(one.rates), middle(shares))
        print(f"{way:20}" + "".join(f"{value:13.2f}" for value in (*row, middle(one.few_s))), end="")
        print(f"{middle(one.core_ms):13.1f}")
    print(f"{len(written)} files, the same bytes by every way of batch in {repeats} rounds", flush=True)


def _taken(folder: Path, engine: Path, pictures: Path, way: str) -> tuple[float, float, dict[str, bytes]]:
    """Say how long a way takes, and how much of the processor, in seconds; and what `batch` wrote."""
    output = folder / "out"
    runs = [
        [*EDGESEG, "run", str(engine), str(pictures), "-o", str(folder / f"{name}.jsonl"), "--threads", "1"]
        for name in "ab"
    ]
    if way == BOTH:
        commands = [[*held, *run] for held, run in zip(HELD, runs, strict=True)]
    elif way in (RUN, RUN_HELD):
        commands = [[*(HELD[0] if way == RUN_HELD else ()), *runs[0]]]
    else:
        batch = [*EDGESEG, "batch", str(engine), str(pictures), "-o", str(output)]
        ray = ("--ray", "local") if way.startswith("ray") else ()
        commands = [[*batch, "--workers", str(WAYS[way]), *ray]]
    before_s = _of_children_s()
    took_s = _wall_s(commands)
    spent_s = _of_children_s() - before_s
    results: dict[str, bytes] = {}
    if output.exists():
        results = dict(results_of(output))
        shutil.rmtree(output)
    return took_s, spent_s, results


def _of_children_s() -> float:
    """Say how long the processor worked for processes that have ended, and for theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wall_s(commands: Sequence[Sequence[str]]) -> float:
    """Run commands at once, and say how long all took."""
    began_s = time.monotonic()
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for command in commands
    ]
    for process in running:
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, process.args))}: {errors.decode()[-2000:]}")
    return time.monotonic() - began_s
