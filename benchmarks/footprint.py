"""What a device needs: how long imports take, how soon a result is there, and how large an installation is.

Imports: medians of processes in turn, less those of a process that imports nothing. Sizes: `pip install` of
this checkout into an empty folder, for each engine library alone, with all that it brings, without bytecode;
with `images` in place of an engine's extra, without OpenCV and PyAV.

    python -m benchmarks.footprint [--repeats N] [--no-sizes] [--engines ENGINE...]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import cv2

from benchmarks.peers.process import ROOT
from edgeseg.scenes.scene import animate

IMPORTS = (
    "pass",
    "import edgeseg.runtime",
    "from edgeseg.runtime import Segmenter",
    "from edgeseg.runtime import stream",
    "import numpy",
    "import cv2",
    "import onnxruntime",
)
PICTURE_HW = (480, 640)
INSTALLED = (
    "edgeseg",
    "edgeseg[images] onnxruntime",
    "edgeseg[images] mnn",
    "edgeseg[images] ncnn",
    "edgeseg[cpu]",
    "edgeseg[mnn]",
    "edgeseg[openvino]",
)
LARGEST = 4  # packages that are named
BYTES_PER_MB = 1_000_000
Named = TypeVar("Named")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--no-sizes", action="store_true")
    parser.add_argument(
        "--engines",
        type=Path,
        nargs="+",
        default=sorted((ROOT / "demo-output").glob("*-engine")),
        help="engines to start, by their folders; those of `make demo`, where it has been run",
    )
    arguments = parser.parse_args()
    for statement, ms in import_ms(arguments.repeats).items():
        print(f"{statement:37} {ms:7.1f} ms", flush=True)
    for engine, ms in first_result_ms(arguments.engines, arguments.repeats).items():
        print(
            f"edgeseg run {engine.name:25} {ms:7.1f} ms, from start to the result of a picture",
            flush=True,
        )
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
    commands = {statement: ["-c", statement] for statement in IMPORTS}
    medians = _medians_ms(commands, repeats)
    nothing = medians.pop(IMPORTS[0])
    return {"python itself": nothing, **{statement: ms - nothing for statement, ms in medians.items()}}


def first_result_ms(engines: Sequence[Path], repeats: int) -> dict[Path, float]:
    """Time `edgeseg run` of one picture, engines in turn: medians, with what Python itself takes."""
    with tempfile.TemporaryDirectory() as folder:
        picture, results = Path(folder) / "picture.png", Path(folder) / "results.json"
        cv2.imwrite(str(picture), next(animate(0, PICTURE_HW)).image)
        arguments = ["-m", "edgeseg", "run"]
        commands = {
            engine: [*arguments, str(engine.resolve()), str(picture), "-o", str(results)]
            for engine in engines
        }
        return _medians_ms(commands, repeats)


def _medians_ms(commands: Mapping[Named, Sequence[str]], repeats: int) -> dict[Named, float]:
    """Time commands of Python, with its bytecode where nothing else looks, as an installation has it."""
    times: dict[Named, list[float]] = {name: [] for name in commands}
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):  # the first one writes the bytecode, and counts for nothing
            for name, command in commands.items():
                start_s = time.perf_counter()
                subprocess.run(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env={**own, "PYTHONPYCACHEPREFIX": folder},
                    check=True,
                    capture_output=True,
                )
                times[name].append(1000 * (time.perf_counter() - start_s))
    return {name: statistics.median(kept[1:]) for name, kept in times.items()}


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
