"""What a device needs: how long imports take, and how large an installation is.

Imports: medians of processes in turn, less those of a process that imports nothing. Sizes: `pip install` of
this checkout into an empty folder, for each engine library alone, with all that it brings, without bytecode;
with `images` in place of an engine's extra, without OpenCV and PyAV.

    python -m benchmarks.footprint [--repeats N] [--no-sizes]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.process import ROOT

IMPORTS = ("pass", "import edgeseg", "import edgeseg.runtime", "import numpy, cv2", "import onnxruntime")
INSTALLED = (
    "edgeseg",
    "edgeseg[images] onnxruntime",
    "edgeseg[images] mnn",
    "edgeseg[cpu]",
    "edgeseg[mnn]",
    "edgeseg[openvino]",
)
LARGEST = 4  # packages that are named
BYTES_PER_MB = 1_000_000


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--no-sizes", action="store_true")
    arguments = parser.parse_args()
    for statement, ms in import_ms(arguments.repeats).items():
        print(f"{statement:24} {ms:7.1f} ms", flush=True)
    if not arguments.no_sizes:
        print(f"\n{'installed':27} {'MB':>7}  largest, and edgeseg itself")
        for name in INSTALLED:
            try:
                sizes = installed_mb(name.split())
            except subprocess.CalledProcessError as error:
                said = error.stderr.decode(errors="replace").strip().splitlines() or ["pip says nothing"]
                print(f"{name:27} {'-':>7}  not installed: {said[-1]}", flush=True)
                continue
            largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:LARGEST]
            told = ", ".join(f"{part} {sizes[part]:.0f}" for part in largest)
            print(
                f"{name:27} {sum(sizes.values()):7.0f}  {told}; edgeseg itself {sizes['edgeseg']:.1f}",
                flush=True,
            )


def import_ms(repeats: int) -> dict[str, float]:
    """Time statements in processes of their own, in turn; the first one's median is taken off the others'."""
    times: dict[str, list[float]] = {statement: [] for statement in IMPORTS}
    for _ in range(repeats + 1):
        for statement, kept in times.items():
            start_s = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)
            kept.append(1000 * (time.perf_counter() - start_s))
    medians = {statement: statistics.median(kept[1:]) for statement, kept in times.items()}
    nothing = medians.pop(IMPORTS[0])
    return {"python itself": nothing, **{statement: ms - nothing for statement, ms in medians.items()}}


def installed_mb(packages: Sequence[str]) -> dict[str, float]:
    """Install packages, of edgeseg this checkout, into an empty folder: megabytes by what lies in it."""
    wanted = [package.replace("edgeseg", str(ROOT)) for package in packages]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--target",
            folder,
            *wanted,
        ]
        pins = ["--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([*command, *pins], check=True, capture_output=True)
        return {entry.name: _bytes(entry) / BYTES_PER_MB for entry in Path(folder).iterdir()}


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    names = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(name.stat().st_size for name in names)


if __name__ == "__main__":
    main()
