"""Tell what contenders took of a network: a table, whether a peer is faster, and on which machine."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from typing import Any

from benchmarks.peers.contenders import PEERS
from edgeseg.tune.halving import interval_of_median

OURS = {  # backend, and whether passes may change the graph
    "edgeseg auto": ("auto", True),
    "edgeseg onnxruntime": ("onnxruntime", True),
    "edgeseg onnxruntime no-passes": ("onnxruntime", False),
}
PLAIN = ("onnxruntime", "openvino")
TITLES = ("", "ms", "ratio", "rounds", "CPU ms", "beside %", "same", "peak MB", "load s", "")
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
    lines = [f"{value['row']}, {value['threads']} threads", *aligned(rows)]
    lines.append(f"contenders that were not running took {100 * value['idle_share']:.1f} % of a core")
    peer = fastest(contenders, PEERS)
    if best and peer:
        lines.append(verdict(best, contenders[best], peer, contenders[peer]))
    return lines


def verdict(best: str, ours: dict[str, Any], peer: str, theirs: dict[str, Any]) -> str:
    """Say whether the fastest peer is faster than ours, beyond what the rounds differ by."""
    ratio, (low, high) = over(ours, theirs), interval_of_median(ratios(ours, theirs))
    few = math.isinf(high)  # too few rounds for an interval
    told = f"the fastest peer, {peer}, takes {ratio:.2f} times as long"
    told += "" if few else f" ({low:.2f} to {high:.2f})"
    if (ratio if few else high) < 1:
        return f"FASTER THAN OURS: {peer}, against {best}; {told}"
    noise = "" if few or low > 1 else " beyond noise"
    return f"no peer is faster than {best}{noise}; {told}"


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


def beside(told: dict[str, Any]) -> str:
    """Say which share of a run is not the network's; nothing of contenders that do not take it."""
    shares = [1 - own / whole for own, whole in zip(told["infer_ms"], told["times_ms"], strict=True) if own]
    return f"{100 * statistics.median(shares):.1f}" if shares else ""


def fastest(contenders: dict[str, Any], names: Iterable[str]) -> str | None:
    """Name the fastest of some contenders, None if none ran."""
    ran = [name for name in names if contenders.get(name, {}).get("times_ms")]
    return min(ran, key=lambda name: float(contenders[name]["ms"]), default=None)


def over(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """Give the median of the rounds' ratios, theirs over ours."""
    return statistics.median(ratios(ours, theirs))


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> list[float]:
    """Give the ratio of each round, theirs over ours; fewer rounds where one is slow."""
    return [their / our for our, their in zip(ours["times_ms"], theirs["times_ms"], strict=False)]


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


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            cell if i == last else cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
