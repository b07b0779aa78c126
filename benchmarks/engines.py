"""Our engines against every CPU engine there is: from a camera's frame to the result, fp32.

A peer is used as a competent user would by hand: the frame (BGR, uint8) resized by OpenCV and normalised in
NumPy, the plain export run, logits brought to the frame's size by OpenCV, the best class taken in NumPy; of
detectors torchvision's own export, which resizes and pastes inside. All end with labels, or pasted masks, at
the frame's size. `torch` and `torch.compile` run torchvision's module, or ours where it has none.

Each contender lives in a process of its own. Rounds are interleaved, and a ratio is the median of the rounds'
ratios: above 1, our fastest engine is the faster one. A contender that takes over SLOW times as long as the
fastest is timed FEW times only. `CPU ms` is what all its threads take for a run, and
`beside %` the share of a run of ours that is not the network's. `peak MB` and `load s` (that is import and
opening) are those of its process and of what that started, when it had run once. `same`: labels equal to
those of PyTorch, or its detections that were found too.

    python -m benchmarks.engines [--rows NAME ...] [--threads N] [--rounds N] [--peers NAME ...]
        [--model-api-python PATH] [--work FOLDER] [--json FILE] [--prepare] [--seconds N]

`--work` keeps models and engines, so that the next run only times; `--prepare` makes them and does not time.
After `--seconds` a network gets no further rounds than FEW.
`ncnn` takes the wheels `ncnn` and `pnnx`, `mnn` the wheel `mnn`; openvino-model-api needs an OpenCV of its
own, so it is installed elsewhere, and `--model-api-python` is the interpreter that has it.
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
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchmarks.peers.agreement import agreement
from benchmarks.peers.building import engine_of
from benchmarks.peers.contenders import PEERS
from benchmarks.peers.process import OPENING_TIMEOUT_S, ROOT, Process, absent, start
from benchmarks.peers.rows import ROWS
from benchmarks.peers.usage import busy_s

OURS = {  # backend, and whether passes may change the graph
    "edgeseg auto": ("auto", True),
    "edgeseg onnxruntime": ("onnxruntime", True),
    "edgeseg onnxruntime no-passes": ("onnxruntime", False),
}
PLAIN = ("onnxruntime", "openvino")
SLOW = 3.0  # times the fastest: no further rounds can change who is faster
FEW = 3
TITLES = ("", "ms", "ratio", "rounds", "CPU ms", "beside %", "same", "peak MB", "load s", "")
SETTLE_S = 0.1  # before each run, so that threads of the one before have stopped waiting actively
SHORT_MS = 50.0  # quicker runs are repeated within a round
LIBRARIES = ("torch", "torchvision", "onnxruntime", "openvino", "mnn", "ncnn", "numpy")
INSTRUCTIONS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_tile",
    "asimd",
    "sve",
)


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
        print("\n" + "\n".join(_aligned([titles, *summary])), flush=True)


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


def block(value: dict[str, Any]) -> list[str]:
    """Give a network's lines: one a contender, and whether a peer is faster."""
    contenders = value["contenders"]
    best = fastest(contenders, OURS)
    rows: list[Sequence[str]] = [TITLES]
    for name, told in contenders.items():
        if told["refused"] is not None:
            rows.append((name, "-", "-", *[""] * (len(TITLES) - 4), told["refused"]))
            continue
        ratio = f"{over(contenders[best], told):.2f}" if best else "-"
        figures = (
            str(len(told["times_ms"])),
            f"{statistics.median(told['processor_ms']):.1f}",
            beside(told),
            told["same"],
            f"{told['peak_mb']:.0f}",
            f"{told['load_ms'] / 1000:.2f}",
        )
        rows.append((name, f"{told['ms']:.1f}", ratio, *figures, told["note"]))
    lines = [f"{value['row']}, {value['threads']} threads", *_aligned(rows)]
    lines.append(f"contenders that were not running took {100 * value['idle_share']:.1f} % of a core")
    peer = fastest(contenders, PEERS)
    if best and peer:
        ratio_of = over(contenders[best], contenders[peer])
        faster = "no peer is faster than" if ratio_of >= 1 else f"FASTER THAN OURS: {peer}, against"
        lines.append(f"{faster} {best}; the fastest peer, {peer}, takes {ratio_of:.2f} times as long")
    return lines


def beside(told: dict[str, Any]) -> str:
    """Say which share of a run is not the network's; nothing of contenders that do not take it."""
    shares = [1 - own / whole for own, whole in zip(told["infer_ms"], told["times_ms"], strict=True) if own]
    return f"{100 * statistics.median(shares):.1f}" if shares else ""


def summarised(value: dict[str, Any]) -> tuple[str, ...]:
    """Give a network's line of the last table."""
    contenders = value["contenders"]
    best, peer = fastest(contenders, OURS), fastest(contenders, PEERS)
    if best is None:
        return (value["row"], "-", "-", "-", "-")
    ours = contenders[best]
    plain = fastest(contenders, PLAIN)
    cells = [
        "-" if name is None else f"{over(ours, contenders[name]):.2f}"
        for name in (fastest(contenders, ["onnxruntime"]), plain, peer)
    ]
    backend = ours["note"].split()[0]
    return (value["row"], f"{ours['ms']:.1f} ({backend})", cells[0], cells[1], f"{cells[2]} ({peer})")


def fastest(contenders: dict[str, Any], names: Iterable[str]) -> str | None:
    """Name the fastest of some contenders, None if none ran."""
    ran = [name for name in names if contenders.get(name, {}).get("times_ms")]
    return min(ran, key=lambda name: float(contenders[name]["ms"]), default=None)


def over(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """Give the median of the rounds' ratios, theirs over ours."""
    pairs = zip(ours["times_ms"], theirs["times_ms"], strict=False)  # fewer rounds where it is slow
    return statistics.median(their / our for our, their in pairs)


def header(threads: int) -> str:
    """Say which processor, instruction sets and versions these are."""
    installed = {one.metadata["Name"].lower(): one.version for one in distributions()}
    versions = [f"{name} {installed.get(name, 'absent')}" for name in LIBRARIES]
    return f"{processor()}; {threads} threads\n{', '.join(versions)}"


def processor() -> str:
    """Name the processor, its cores and the instruction sets that matter here."""
    ended = subprocess.run(["lscpu"], capture_output=True, text=True, check=True)
    lines = (line.partition(":") for line in ended.stdout.splitlines())
    told = {key.strip(): value.strip() for key, _, value in lines}
    flags = set(told.get("Flags", "").split())
    name, family, model = (told.get(key, "?") for key in ("Model name", "CPU family", "Model"))
    sets = " ".join(one for one in INSTRUCTIONS if one in flags)
    return f"{name} (family {family}, model {model}), {os.cpu_count()} cores: {sets}"


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


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            cell if i == last else cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


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
