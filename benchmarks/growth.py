"""How time and memory grow: with pixels, classes, detections and cameras, each with its exponent.

Each point is measured in a process of its own, one thread: medians in milliseconds of each stage, and the
most memory that the process held. What stands around the network is timed with an engine that takes no time;
`input` is the demo's U-Net itself in ONNX Runtime, `cameras` the same at 96x128 with streams of 640x480. An
exponent is the slope between logarithms over the larger half of the sizes: 1 is proportional, 2 quadratic;
of `frame` and `input` it is that of the pixels.

    python -m benchmarks.growth [--axes NAME ...] [--repeats N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.process import ROOT
from edgeseg.runtime.profiling.memory import peak_bytes

AXES = ("frame", "input", "classes", "detections", "cameras")
SIDES = ("frame", "input")  # whose sizes are rows: pixels are their squares
BARS = "▁▂▃▄▅▆▇█"
BYTES_PER_MB = 1 << 20
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}


def main() -> None:
    """Print a table an axis."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=AXES, metavar="NAME")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--point", nargs=2, metavar=("AXIS", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.point:
        name, size = arguments.point
        print(json.dumps(point(name, int(size), arguments.repeats)))
        return
    found = {}
    for name in arguments.axes:
        points, failed = measure(name, arguments.repeats)
        if points:
            found[name] = points
            print("\n".join(table(name, points)), flush=True)
        print("".join(f"{name} {size} failed: {why}\n" for size, why in failed.items()), flush=True)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(found, indent=2) + "\n")


def point(name: str, size: int, repeats: int) -> dict[str, float]:
    """Measure one size in this process."""
    import cv2

    from benchmarks.growing.axes import AXES as MEASURED

    cv2.setNumThreads(1)
    before = peak_bytes()
    medians = MEASURED[name].measure(size, repeats)
    return {**medians, "peak MB": (peak_bytes() - before) / BYTES_PER_MB}


def measure(name: str, repeats: int) -> tuple[dict[int, dict[str, float]], dict[int, str]]:
    """Measure all sizes of an axis: medians by stage, by size; and why sizes failed."""
    from benchmarks.growing.axes import AXES as MEASURED

    found, failed = {}, {}
    for size in MEASURED[name].sizes:
        command = [sys.executable, "-m", "benchmarks.growth", "--repeats", str(repeats)]
        command += ["--point", name, str(size)]
        ended = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, check=False
        )
        if ended.returncode == 0:
            found[size] = json.loads(ended.stdout.splitlines()[-1])
        else:
            failed[size] = (ended.stderr.strip().splitlines() or [f"it ends with {ended.returncode}"])[-1]
    return found, failed


def table(name: str, found: Mapping[int, Mapping[str, float]]) -> list[str]:
    """Give an axis' lines: one a stage, with a small plot and the exponent."""
    from benchmarks.growing.axes import AXES as MEASURED

    sizes = list(found)
    lines = [f"{MEASURED[name].unit:18}" + "".join(f"{size:>9}" for size in sizes) + "  exponent"]
    for stage in found[sizes[0]]:
        values = [found[size][stage] for size in sizes]
        cells = "".join(f"{value:9.2f}" if stage != "peak MB" else f"{value:9.0f}" for value in values)
        power = exponent(sizes, values) / (2 if name in SIDES else 1)
        lines.append(f"{stage:18}{cells}  {power:8.2f}  {small_plot(values)}")
    return lines


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Fit a power to the larger half of the sizes: the slope between logarithms; 0 where nothing grows."""
    half = len(sizes) // 2
    x, y = np.log(np.maximum(sizes[-half - 1 :], 1)), np.log(np.maximum(values[-half - 1 :], 1e-6))
    return float(np.polyfit(x, y, 1)[0])


def small_plot(values: Sequence[float]) -> str:
    """Draw values as bars from 0 to the greatest, of equal distance."""
    top = max(values) or 1.0
    return "".join(BARS[max(0, min(len(BARS) - 1, int(value / top * len(BARS))))] for value in values)


if __name__ == "__main__":
    main()
