"""Serve one contender over pipes: open it, run it once, then time a run for each line that comes in.

    python -m benchmarks.peers.serving FOLDER CONTENDER [--engine FOLDER] [--threads N]

Answers go to what was standard output: a line of JSON with `load_ms`, `peak_mb`, `note`, or with `refused`;
then, for each line with a number of runs, the median of their milliseconds and of those of the network
alone, where a contender takes them. Whatever a library
prints goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from benchmarks.peers.case import Case
from benchmarks.peers.contenders import PEERS, Contender, Ours
from benchmarks.peers.usage import peak_memory_mb

LONGEST_REASON = 200  # characters
CODE_PLACES = re.compile(r"(Exception from|Check '\w+' failed at) \S+")  # of OpenVINO


def main() -> None:
    """Open, report, and time until standard input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("--engine", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[: arguments.threads])  # also for threads that no option limits
    cv2.setNumThreads(arguments.threads)
    case = Case.read(arguments.folder)
    try:
        contender, opened = open_once(case, arguments.name, arguments.engine, arguments.threads)
    except Exception as error:
        reason = " ".join(CODE_PLACES.sub("", f"{type(error).__name__}: {error}").split())[:LONGEST_REASON]
        say(answers, {"refused": reason})
        return
    say(answers, opened)
    frame = case.frame()
    for line in sys.stdin:
        times, inferring = [], []
        for _ in range(int(line)):
            start = time.perf_counter()
            contender.run(frame)
            times.append(1000 * (time.perf_counter() - start))
            inferring.append(contender.infer_ms or 0.0)
        say(answers, {"ms": statistics.median(times), "infer_ms": statistics.median(inferring)})


def open_once(case: Case, name: str, engine: Path | None, threads: int) -> tuple[Contender, dict[str, Any]]:
    """Open a contender, run it once, and keep the result by which it is compared."""
    frame = case.frame()
    start = time.perf_counter()
    contender: Contender = Ours(engine) if engine else PEERS[name](case, threads)
    load_ms = 1000 * (time.perf_counter() - start)
    result = contender.run(frame)
    peak_mb = peak_memory_mb(os.getpid())
    picture = "fitted" if engine and case.is_detector else "frame"
    if picture == "fitted":
        result = contender.run(case.frame("fitted"))
    np.savez(case.folder / f"result-{name.replace(' ', '-')}.npz", **result)
    return contender, {"load_ms": load_ms, "peak_mb": peak_mb, "note": contender.note, "picture": picture}


def say(answers: TextIO, value: dict[str, Any]) -> None:
    """Write a line at once."""
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
