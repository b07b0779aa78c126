"""Our engines against every CPU engine there is: from a camera's frame to the result, fp32.

A peer is used as a competent user would by hand: the frame (BGR, uint8) resized by OpenCV and normalised in
NumPy, the plain export run, logits brought to the frame's size by OpenCV, the best class taken in NumPy; of
detectors torchvision's own export, which resizes and pastes inside. All end with labels, or pasted masks, at
the frame's size. `torch` and `torch.compile` run torchvision's module, or ours where it has none.

Each contender lives in a process of its own. Rounds are interleaved, and a ratio is the median of the rounds'
ratios: above 1, our fastest engine is the faster one; of the fastest peer the table says between what ends
that median lies with 95 percent. A contender that takes over SLOW times as long as the
fastest is timed FEW times only. `CPU ms` is what all its threads take for a run, and
`beside %` the share of a run of ours that is not the network's. `peak MB` and `load s` (that is import and
opening) are those of its process and of what that started, when it had run once. `same`: labels equal to
those of PyTorch, or its detections that were found too.

    python -m benchmarks.engines [--rows NAME ...] [--threads N] [--rounds N] [--peers NAME ...]
        [--model-api-python PATH] [--work FOLDER] [--json FILE] [--prepare] [--seconds N]

`--work` keeps models and engines, so that the next run only times; `--prepare` makes them and does not time.
After `--seconds` a network gets no further rounds than FEW.
`mnn` takes the wheel `mnn`, `ncnn` the wheel `ncnn` and, to convert, `pnnx`; openvino-model-api needs an
OpenCV of its own, so it is installed elsewhere, and `--model-api-python` is the interpreter that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.agreement import agreement
from benchmarks.peers.building import engine_of
from benchmarks.peers.contenders import PEERS
from benchmarks.peers.process import OPENING_TIMEOUT_S, ROOT, Process, absent, start
from benchmarks.peers.rows import ROWS
from benchmarks.peers.telling import OURS, aligned, block, header, processor, summarised
from benchmarks.peers.usage import busy_s

SLOW = 3.0  # times the fastest: no further rounds can change who is faster
FEW = 3
SETTLE_S = 0.1  # before each run, so that threads of the one before have stopped waiting actively
SHORT_MS = 50.0  # quicker runs are repeated within a round


def main() -> None:
    """Print a block a network, and the table of all at the end."""
    arguments = _arguments()
    print(header(arguments.threads), flush=True)
    summary = []
    for row in arguments.rows:
        prepare(row, arguments.work)
        if arguments.prepare:
            print(f"{row} is prepared", flush=True)
            continue
        value = measure(row, arguments)
        summary.append(summarised(value))
        if arguments.json is not None:
            put_row(arguments.json, value)
    if summary:
        titles = (
            "network",
            "ours ms",
            "over plain ORT",
            "over best of ORT, OpenVINO",
            "over the fastest peer",
        )
        print("\n" + "\n".join(aligned([titles, *summary])), flush=True)


def prepare(row: str, work: Path) -> None:
    """Make what a network lacks in the folder of work, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers.preparing", row, "--work", str(work)]
    ended = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if ended.returncode:
        said = (ended.stderr.strip().splitlines() or [f"it ends with {ended.returncode}"])[-1]
        raise SystemExit(f"{row} cannot be prepared: {said}")


def put_row(path: Path, value: dict[str, Any]) -> None:
    """Put a network's figures into a file of lines of JSON, in place of what it has of that network."""
    lines = path.read_text().splitlines() if path.exists() else []
    others = [line for line in lines if json.loads(line)["row"] != value["row"]]
    path.write_text("".join(f"{line}\n" for line in (*others, json.dumps(value))))


def measure(row: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Open all contenders of a row, time them in turn, and print them."""
    case, threads = arguments.work.resolve() / row, arguments.threads
    deadline_s = time.monotonic() + arguments.seconds
    processes: list[Process] = []
    try:
        for name in arguments.peers:
            process = _started(name, case, arguments)
            processes.append(process)  # one by one: those that are open are closed whatever happens
        idle = time_in_turn([one for one in processes if one.refused is None], arguments.rounds, deadline_s)
    finally:
        for one in processes:
            one.close()
    value = {
        "row": row,
        "threads": threads,
        "processor": processor(),
        "idle_share": idle,
        "contenders": {one.name: _told(one, case) for one in processes},
    }
    print("\n" + "\n".join(block(value)), flush=True)
    return value


def time_in_turn(processes: Sequence[Process], rounds: int, deadline_s: float = float("inf")) -> float:
    """Time rounds of all that are open; after the deadline (of `time.monotonic`) no more than FEW.

    Returns:
        The share of a core that the contenders that were not running took meanwhile.
    """
    repeats = {one.name: _repeats(one.run(1)) for one in processes}
    idle = total = 0.0
    for turn in range(rounds):
        if turn >= FEW and time.monotonic() > deadline_s:
            break
        medians = [statistics.median(one.times_ms) for one in processes if one.times_ms]
        limit = SLOW * min(medians) if turn >= FEW else float("inf")
        for one in processes:
            if one.refused is not None or (one.times_ms and statistics.median(one.times_ms) > limit):
                continue
            time.sleep(SETTLE_S)
            others = [other for other in processes if other is not one]
            own, busy, started = busy_s(one.child.pid), _busy_s(others), time.perf_counter()
            medians = one.run(repeats[one.name])
            total += time.perf_counter() - started
            idle += _busy_s(others) - busy
            if medians is not None:
                one.times_ms.append(medians["ms"])
                one.infer_ms.append(medians["infer_ms"])
                one.processor_ms.append(1000 * (busy_s(one.child.pid) - own) / repeats[one.name])
    return idle / total if total else 0.0


def _started(name: str, case: Path, arguments: argparse.Namespace) -> Process:
    threads, other_python = arguments.threads, arguments.model_api_python
    python, engine = sys.executable, None
    if name == "model_api":
        if other_python is None or shutil.which(other_python) is None:
            return absent(name, "is not installed" if other_python else "no --model-api-python")
        python = other_python
    if name in OURS:
        try:
            engine = engine_of(case, *OURS[name], threads)
        except RuntimeError as error:
            return absent(name, str(error))
    return start(name, case, threads, python=python, engine=engine, opening_s=arguments.opening_seconds)


def _told(process: Process, case: Path) -> dict[str, Any]:
    opened = process.opened
    told = {
        "refused": process.refused,
        "times_ms": process.times_ms,
        "infer_ms": process.infer_ms,
        "processor_ms": process.processor_ms,
        "note": opened.get("note", ""),
    }
    if process.times_ms and process.refused is None:
        told["ms"] = statistics.median(process.times_ms)
        told["same"] = agreement(case, process.name, opened["picture"])
        told["peak_mb"], told["load_ms"] = opened["peak_mb"], opened["load_ms"]
    return told


def _busy_s(processes: Sequence[Process]) -> float:
    return sum(busy_s(one.child.pid) for one in processes)


def _repeats(medians: dict[str, float] | None) -> int:
    return 1 if medians is None else max(1, min(10, round(SHORT_MS / medians["ms"])))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    everyone = [*OURS, *PEERS]
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "edgeseg-engines")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), metavar="NAME")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peers", nargs="+", default=everyone, choices=everyone, metavar="NAME")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--opening-seconds", type=float, default=OPENING_TIMEOUT_S)
    parser.add_argument("--model-api-python")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--prepare", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
