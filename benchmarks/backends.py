"""OpenVINO against ONNX Runtime on the demo's networks: time of an inference, and time to open an engine.

Both engines are built here with their own best options, fp32. Rounds are interleaved, with a pause before
each call, as ONNX Runtime's threads spin on for some milliseconds. A ratio above 1: OpenVINO is faster.

    python -m benchmarks.backends [--rounds N] [--size HxW]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from edgeseg.cli.tables import measured_lines
from edgeseg.demo.showcase import CHECKPOINTS, NETWORKS, SHOWN_SCORE
from edgeseg.engines.backend import open_backend
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.export.exporter import Settings, export_network
from edgeseg.manifest import read_manifest
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.scenes.scene import CLASS_NAMES, generate

BACKENDS: tuple[str, ...] = ("onnxruntime", "openvino")
SETTLE_S = 0.05
WARMUP = 3


def main() -> None:
    """Print one row a network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--size", default="240x320")
    arguments = parser.parse_args()
    height, width = (int(side) for side in arguments.size.split("x"))
    columns = [f"{backend} {what}" for what in ("infer", "open") for backend in BACKENDS]
    print(f"{'network':10} " + " ".join(f"{name:>18}" for name in columns) + "   infer ratio", flush=True)
    for network in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            infer, opened = measure(network, (height, width), arguments.rounds, Path(folder))
        medians = [statistics.median(times[b]) for times in (infer, opened) for b in BACKENDS]
        pairs = zip(infer["onnxruntime"], infer["openvino"], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        row = " ".join(f"{value:15.1f} ms" for value in medians)
        print(f"{network:10} {row} {ratio:13.2f}", flush=True)


def measure(
    network: str, size_hw: tuple[int, int], rounds: int, folder: Path
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Give milliseconds of each inference and of each opening, by backend."""
    model = folder / "model.onnx"
    trained, _ = open_network(f"demo_{network}", CHECKPOINTS / f"{network}.safetensors")
    settings = Settings(network, size_hw, class_names=CLASS_NAMES, score_threshold=SHOWN_SCORE)
    export_network(trained, model, settings)
    for backend in BACKENDS:
        built = build_engine(model, folder / backend, request=Request(backend))
        print(f"  {network}, {backend}: {'; '.join(measured_lines(built.measured))}", flush=True)
    image = generate(1, size_hw).image[None]
    infer: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
    opened: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
    manifests = {backend: read_manifest(folder / backend) for backend in BACKENDS}
    for _ in range(rounds):
        for backend in BACKENDS:
            time.sleep(SETTLE_S)
            start = time.perf_counter()
            engine = open_backend(folder / backend, manifests[backend])
            opened[backend].append(1000 * (time.perf_counter() - start))
            engine.close()
    engines = {backend: open_backend(folder / backend, manifests[backend]) for backend in BACKENDS}
    for turn in range(WARMUP + rounds):
        for backend, engine in engines.items():
            time.sleep(SETTLE_S)
            start = time.perf_counter()
            engine.infer(image)
            if turn >= WARMUP:
                infer[backend].append(1000 * (time.perf_counter() - start))
    for engine in engines.values():
        engine.close()
    return infer, opened


if __name__ == "__main__":
    main()
