"""Profile an engine against itself, again and again: how often does `edgeseg profile A A` say "different"?

The demo's U-Net in each CPU backend that is installed; a try is a process of its own. Where nothing differs
the chance is 5 % a try at most, for capture to result and inference alone together: one in 20.

    python -m benchmarks.against_itself [--tries N] [--frames N] [--backends NAME ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.process import ROOT
from edgeseg.demo.showcase import CHECKPOINTS
from edgeseg.engines.registry import cpu_backends, versions_of
from edgeseg.runtime.profiling.ratios import Ratio

EDGESEG = (sys.executable, "-m", "edgeseg")
SPANS = ("latency", "inference")


def main() -> None:
    """Print a line a try, and how many said "different"."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--frames", type=int, default=100)
    there = [name for name in cpu_backends() if versions_of(name)]
    parser.add_argument("--backends", nargs="+", choices=there, default=there, metavar="NAME")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, weights = Path(folder) / "unet.onnx", CHECKPOINTS / "unet.safetensors"
        _edgeseg("export", "demo_unet", "--weights", weights, "--size", "240x320", "-o", model)
        for backend in arguments.backends:
            engine = Path(folder) / backend
            _edgeseg("build", model, "--backend", backend, "-o", engine)
            different = 0
            for number in range(1, arguments.tries + 1):
                ratios = tried(engine, arguments.frames)
                different += any(ratio.is_different for ratio in ratios)
                told = ", ".join(
                    f"{span} {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
                    for span, ratio in zip(SPANS, ratios, strict=True)
                )
                print(f"{backend} {number:3}: {told}", flush=True)
            print(f'{backend}: {different} of {arguments.tries} tries say "different"', flush=True)


def tried(engine: Path, frames: int) -> list[Ratio]:
    """Compare an engine with itself; gives both ratios."""
    found = json.loads(_edgeseg("profile", engine, engine, "--frames", frames, "--json", "-"))
    (pair,) = found["pairs"]
    return [Ratio(**pair[span]) for span in SPANS]


def _edgeseg(*arguments: object) -> str:
    command = [*EDGESEG, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
