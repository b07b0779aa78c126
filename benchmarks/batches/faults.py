"""Kill workers, drivers and nodes of a batch at random, and see that nothing is lost or there twice.

Some kills are mean: all workers at once, several times in quick succession; and whoever works at the moment
at which a part is being written.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.batches.archive import results_of, write_pictures
from benchmarks.batches.processes import below, is_worker
from edgeseg.batch.parts import PARTS, RETRY, TIMES

PICTURES = 600
BETWEEN_S = (0.5, 4.0)  # kills
NODES = 2  # of Ray, beside the one that is never killed: it keeps the cluster's account
SETTLE_S = 2.0  # that a node takes to join
BURST = (3, 8)  # kills of all workers
WITHIN_BURST_S = (0.02, 0.3)  # between these
WRITTEN_S = 3.0  # in which a part is expected to be written
LOOK_S = 0.0002  # between looks for one
PART = re.compile(r"\.\w+\.[0-9a-f]{8}\.part\.parquet")  # while it is written


def kill_at_random(
    folder: Path, engine: Path, kills: int, seed: int, size_hw: tuple[int, int], *, ray: bool
) -> None:
    """Segment an archive again and again while parts of it are killed, until so many were."""
    pictures = folder / "killed"
    if not pictures.exists():
        write_pictures(pictures, PICTURES, size_hw)
    chosen = random.Random(seed)
    output = folder / "of-killed"
    command = [sys.executable, "-m", "edgeseg", "batch", str(engine), str(pictures)]
    subprocess.run([*command, "-o", str(folder / "calm"), "--workers", "2"], check=True, capture_output=True)
    whole = results_of(folder / "calm")
    cluster = _cluster() if ray else None
    command += ["-o", str(output), "--workers", "2", *(["--ray", cluster.address] if ray else [])]
    killed: Counter[str] = Counter()
    runs = archives = again = 0
    began_s = time.monotonic()
    while killed.total() < kills:
        runs += 1
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while run.poll() is None and killed.total() < kills:
            with suppress(subprocess.TimeoutExpired):
                run.wait(chosen.uniform(*BETWEEN_S))
                break
            kinds = ["worker", "worker", "driver", "all workers", "part", *(["node"] if ray else [])]
            killed += _kill(chosen.choice(kinds), run, output, cluster, chosen)
        _, errors = run.communicate()
        if run.returncode == 0 and list(output.glob(f"{RETRY}/*")):
            again += 1  # rows that blame a killed process hold for one run
        elif run.returncode == 0:
            archives += 1
            assert results_of(output) == whole, "something was lost, or is there twice"
            shutil.rmtree(output)
        elif run.returncode != -signal.SIGKILL:
            raise SystemExit(errors.decode()[-2000:])
    subprocess.run(command, check=True, capture_output=True)
    assert not list(output.glob(f"{RETRY}/*"))
    assert results_of(output) == whole, "something was lost, or is there twice"
    shutil.rmtree(output)
    shutil.rmtree(folder / "calm")
    if cluster is not None:
        cluster.shutdown()
    what = ", ".join(f"{kind} {count}" for kind, count in sorted(killed.items()))
    print(
        f"{'Ray' if ray else 'processes'}: kills: {what}; {runs} runs over {archives + 1} archives of "
        f"{PICTURES} pictures in {time.monotonic() - began_s:.0f} s: nothing lost or twice, the same bytes; "
        f"{again} runs left parts for the next to try again",
        flush=True,
    )


def _kill(
    kind: str, run: subprocess.Popen[bytes], output: Path, cluster: Any, chosen: random.Random
) -> Counter[str]:
    """Kill what a kind says; gives what was killed."""
    if kind == "driver":
        run.kill()
        return Counter([kind])
    if kind == "node":
        node = chosen.choice(sorted(cluster.worker_nodes, key=str))
        os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1)
        time.sleep(SETTLE_S)
        return Counter([kind])
    root = os.getpid() if cluster is not None else run.pid
    workers = sorted(process for process, line in below(root).items() if is_worker(line))
    if not workers:
        return Counter()
    if kind == "part":
        return _kill_writing(workers, run, output, chosen)
    if kind == "worker":
        return Counter([kind] * _end([chosen.choice(workers)]))
    for _ in range(chosen.randint(*BURST)):
        _end(process for process, line in below(root).items() if is_worker(line))
        time.sleep(chosen.uniform(*WITHIN_BURST_S))
    return Counter([kind])


def _kill_writing(
    workers: list[int], run: subprocess.Popen[bytes], output: Path, chosen: random.Random
) -> Counter[str]:
    """Kill workers, or these and their driver, while one of them writes a part; only such kills count."""
    victims = [*workers, run.pid] if chosen.random() < 1 / 2 else workers
    end_s = time.monotonic() + WRITTEN_S
    while time.monotonic() < end_s and run.poll() is None:
        if _is_written(output):
            _end(victims)
            left = _is_written(output)
            return Counter(["while a part was written" if left else "as a part had been written"])
        time.sleep(LOOK_S)
    return Counter()


def _is_written(output: Path) -> bool:
    """Tell whether a part is half written."""
    for kind in (TIMES, PARTS):
        with suppress(FileNotFoundError):
            if any(map(PART.fullmatch, os.listdir(output / kind))):
                return True
    return False


def _end(processes: Iterable[int]) -> int:
    """Kill processes; gives how many there were."""
    ended = 0
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            ended += 1
    return ended


def _cluster() -> Any:
    """Start nodes of one core each on loopback; the first has none, so that nothing runs on it."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(NODES):
        nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    return nodes
