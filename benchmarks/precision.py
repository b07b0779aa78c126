"""What fp16 and int8 cost in accuracy, per network and backend, on unseen scenes of the demo.

The drop is in points (hundredths of mIoU or mask AP at 0.5) from the first fp32 engine, which computes what
PyTorch computes. int8 is calibrated on other scenes. TensorRT for RTX parses and builds; its engines need a
GPU to be measured.

    python -m benchmarks.precision [--scenes N] [--calibration N] [--backends B ...]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.demo.showcase import CHECKPOINTS, NETWORKS, accuracy_of
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.errors import EdgesegError
from edgeseg.export.exporter import Settings, export_network
from edgeseg.graph.precision.convert import Calibration
from edgeseg.manifest import read_manifest
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.runtime import Segmenter
from edgeseg.scenes.scene import CLASS_NAMES, DEFAULT_SIZE_HW, Scene, generate
from edgeseg.spec import Precision

BACKENDS: tuple[str, ...] = ("onnxruntime", "openvino", "tensorrt_rtx")
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
FIRST_CALIBRATION_SEED = 5000  # far from the scenes that are tested on
LOWEST_SCORE = 0.05  # average precision wants the uncertain detections too
MAX_DROP = 0.5  # points


def main() -> None:
    """Print one row an engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--calibration", type=int, default=16)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--backends", nargs="+", default=BACKENDS)
    arguments = parser.parse_args()
    truth = [generate(seed) for seed in range(arguments.scenes)]
    seeds = range(FIRST_CALIBRATION_SEED, FIRST_CALIBRATION_SEED + arguments.calibration)
    images = np.stack([generate(seed).image for seed in seeds])
    print(
        f"{'network':10} {'backend':12} {'precision':9} {'accuracy':>9} {'drop':>6} {'MB':>6} {'build s':>8}"
        "  layers"
    )
    for network in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            model = portable_model(network, Path(folder))
            base: float | None = None
            for backend in arguments.backends:
                for precision in PRECISIONS:
                    engine = Path(folder) / f"{backend}-{precision}"
                    row = measure(model, engine, Request(backend, precision), images, truth)
                    if base is None:
                        base = row[0]
                    drop = (
                        f"{100 * (base - row[0]):6.2f}"
                        if base is not None and row[0] is not None
                        else "     -"
                    )
                    accuracy = "        -" if row[0] is None else f"{row[0]:9.4f}"
                    print(f"{network:10} {backend:12} {precision:9} {accuracy} {drop} {row[1]}", flush=True)


def portable_model(network: str, folder: Path) -> Path:
    """Export a network of the demo, in the lowering that every backend takes."""
    trained, _ = open_network(f"demo_{network}", CHECKPOINTS / f"{network}.safetensors")
    settings = Settings(
        network,
        DEFAULT_SIZE_HW,
        lowering="dense" if network == "maskrcnn" else "onnx",
        class_names=CLASS_NAMES,
        score_threshold=LOWEST_SCORE,
    )
    export_network(trained, folder / "model.onnx", settings)
    return folder / "model.onnx"


def measure(
    model: Path, engine: Path, request: Request, images: NDArray[np.uint8], truth: list[Scene]
) -> tuple[float | None, str]:
    """Build one engine, and test it where it runs: accuracy 0..1, and the rest of the row."""
    calibration = None if request.precision == "fp32" else Calibration(images, "entropy", None, MAX_DROP)
    started = time.perf_counter()
    try:
        built = build_engine(model, engine, request=request, calibration=calibration)
    except EdgesegError as error:
        return None, f"not built: {error}"
    took = time.perf_counter() - started
    size = sum((engine / name).stat().st_size for name in read_manifest(engine).files) / 1e6
    counted: dict[str, int] = {}
    layers = {} if built.precision is None else built.precision.built or built.precision.layers
    for precision in layers.values():
        counted[precision] = counted.get(precision, 0) + 1
    rest = f"{size:6.1f} {took:8.1f}  {', '.join(f'{count} {name}' for name, count in counted.items())}"
    if not built.manifest.proven:
        return None, f"{rest} (parsed and built; needs a GPU to run)"
    with Segmenter.open(engine) as segment:
        accuracy = accuracy_of([segment(scene.image) for scene in truth], truth)
    return accuracy.get("miou", accuracy.get("mask_ap50", 0.0)), rest


if __name__ == "__main__":
    main()
