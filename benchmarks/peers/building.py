"""Build our engine of a row, once for each state of the package, in a process with a core a thread.

python -m benchmarks.peers.building MODEL ENGINE --backend BACKEND --threads N [--no-passes]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.process import ROOT
from benchmarks.peers.state import BUILDING, state_of
from edgeseg.cli.tables import measured_lines
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request


def main() -> None:
    """Build one engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("engine", type=Path)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--no-passes", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    request = Request(arguments.backend, threads=arguments.threads)
    built = build_engine(arguments.model, arguments.engine, request=request, passes=not arguments.no_passes)
    print("; ".join(measured_lines(built.measured)), flush=True)


def engine_of(case: Path, backend: str, passes: bool, threads: int) -> Path:
    """Give the engine's folder, made if this state of the package has not made it yet.

    Raises:
        RuntimeError: with the last line of the build, if it fails.
    """
    kind = f"engine-{backend}-{'passes' if passes else 'plain'}-{threads}"
    engine = case / f"{kind}-{state_of(BUILDING)}"
    if engine.exists():
        return engine
    for earlier in case.glob(f"{kind}-*/"):
        shutil.rmtree(earlier)
    command = [sys.executable, "-m", "benchmarks.peers.building", str(case / "ours.onnx"), str(engine)]
    command += ["--backend", backend, "--threads", str(threads)]
    command += [] if passes else ["--no-passes"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    (case / f"{engine.name}.log").write_text(ended.stdout + ended.stderr)
    if ended.returncode != 0:
        raise RuntimeError((ended.stderr.strip().splitlines() or ["the build failed"])[-1])
    return engine


if __name__ == "__main__":
    main()
