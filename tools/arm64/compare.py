"""Compare engines under emulated ARM64 with this machine's: python -m tools.arm64.compare [--work FOLDER]

The demo's networks are exported here; each backend builds, proves and runs them with its ARM64 wheel. Labels,
detections and masks must agree as closely as an fp32 engine must with PyTorch. Times mean nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import edgeseg.demo
from edgeseg.graph.outputs import Outputs
from edgeseg.graph.portable import PortableModel
from edgeseg.proof.parity import compare
from tools.arm64.emulated import python_of

REPOSITORY = Path(__file__).parents[2]
NETWORKS = ("unet", "deeplab", "maskrcnn")
BACKENDS = ("mnn", "onnxruntime")  # by default MNN alone: ONNX Runtime 1.32 dies of SIGSEGV in QEMU 7.2
SIZE = "96x128"  # pixels: small, for an emulated processor takes a hundred times as long


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, run and compare all; returns how many do not agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, help="Keeps the emulated Python for the next time.")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS[:1])
    asked = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as temporary:
        folder = Path(temporary)
        python = str(python_of((asked.work or folder / "python").resolve()))
        for network in asked.networks:
            model = _exported(network, folder)
            for backend in asked.backends:
                here = _outputs(sys.executable, model, backend, folder / "here.npz")
                try:
                    there = _outputs(python, model, backend, folder / "there.npz")
                except subprocess.CalledProcessError as error:
                    print(f"{network} in {backend} on ARM64 does not run: {error}", flush=True)
                    failed += 1
                    continue
                report = compare(here, there, PortableModel.read(model).spec)
                figures = ", ".join(f"{name} {value:.3g}" for name, value in report.figures.items())
                verdict = "agrees" if report.passed else f"differs: {'; '.join(report.failures)}"
                print(f"{network} in {backend} on ARM64 {verdict} ({figures})", flush=True)
                failed += not report.passed
    return failed


def _exported(network: str, folder: Path) -> Path:
    weights = Path(edgeseg.demo.__path__[0]) / "checkpoints" / f"{network}.safetensors"
    model = folder / f"{network}.onnx"
    words = ["export", f"demo_{network}", "--weights", str(weights), "--size", SIZE, "-o", str(model)]
    subprocess.run([sys.executable, "-m", "edgeseg", *words], stdout=subprocess.DEVNULL, check=True)
    return model


def _outputs(python: str, model: Path, backend: str, target: Path) -> list[Outputs]:
    """Build and run a model there, and give its outputs, one item a picture."""
    subprocess.run(
        [python, "-m", "tools.arm64.outputs", python, str(model), backend, str(target)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    pictures: dict[str, dict[str, np.ndarray]] = {}
    with np.load(target) as file:
        for key in file.files:
            index, _, name = key.partition(" ")
            pictures.setdefault(index, {})[name] = file[key]
    return [pictures[index] for index in sorted(pictures, key=int)]


if __name__ == "__main__":
    sys.exit(main())
