"""Kill workers, drivers and nodes of a batch at random, and see that nothing is lost or there twice."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.batches.archive import results_of, write_pictures
from benchmarks.batches.processes import below, is_worker

PICTURES = 600
BETWEEN_S = (0.5, 4.0)  # kills
NODES = 2  # of Ray, beside the one that is never killed: it keeps the cluster's account
SETTLE_S = 2.0  # that a node takes to join


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
    runs = archives = 0
    began_s = time.monotonic()
    while sum(killed.values()) < kills:
        runs += 1
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while run.poll() is None and sum(killed.values()) < kills:
            with suppress(subprocess.TimeoutExpired):
                run.wait(chosen.uniform(*BETWEEN_S))
                break
            kind = chosen.choice(["worker", "worker", "driver", *(["node"] if ray else [])])
            if _kill(kind, run, cluster, chosen):
                killed[kind] += 1
        _, errors = run.communicate()
        if run.returncode == 0:
            archives += 1
            assert results_of(output) == whole, "something was lost, or is there twice"
            shutil.rmtree(output)
        elif run.returncode != -signal.SIGKILL:
            raise SystemExit(errors.decode()[-2000:])
    subprocess.run(command, check=True, capture_output=True)
    assert results_of(output) == whole, "something was lost, or is there twice"
    shutil.rmtree(output)
    shutil.rmtree(folder / "calm")
    if cluster is not None:
        cluster.shutdown()
    what = ", ".join(f"{count} {kind}s" for kind, count in sorted(killed.items()))
    print(
        f"{'Ray' if ray else 'processes'}: {what} killed in {runs} runs over {archives + 1} archives of "
        f"{PICTURES} pictures in {time.monotonic() - began_s:.0f} s: nothing lost or twice, the same bytes",
        flush=True,
    )


def _kill(kind: str, run: subprocess.Popen[bytes], cluster: Any, chosen: random.Random) -> bool:
    """Kill one of a kind; says whether there was one."""
    if kind == "driver":
        run.kill()
        return True
    if kind == "node":
        node = chosen.choice(sorted(cluster.worker_nodes, key=str))
        os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1)
        time.sleep(SETTLE_S)
        return True
    root = os.getpid() if cluster is not None else run.pid
    workers = sorted(process for process, line in below(root).items() if is_worker(line))
    if not workers:
        return False
    with suppress(ProcessLookupError):
        os.kill(chosen.choice(workers), signal.SIGKILL)
        return True
    return False


def _cluster() -> Any:
    """Start nodes of one core each on loopback; the first has none, so that nothing runs on it."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(NODES):
        nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    return nodes
