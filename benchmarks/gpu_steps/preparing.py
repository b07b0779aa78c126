"""Export a network, and build an engine of it if one is named; of TensorRT for RTX without a GPU.

    python -m benchmarks.gpu_steps.preparing FOLDER NETWORK [rtx|trt|ort-cuda|ort-tensorrt fp32|fp16|int8]
        [--batch N] [--compute-capability 8.6]

`demo_*` have trained weights, which a proof needs; the others random ones, which are enough to time them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import onnx

from benchmarks.full_size_engines import ANY_DIFFERENCE, SIZES, network_of
from benchmarks.gpu_steps.places import KINDS, engine_of, model_of
from edgeseg.demo.showcase import CHECKPOINTS, NETWORKS
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.export.exporter import Settings, export_network
from edgeseg.graph.precision.convert import Calibration
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.models.network import Network
from edgeseg.scenes import scene as scenes
from edgeseg.scenes.pictures import picture
from edgeseg.spec import Precision

DEMO = tuple(f"demo_{name}" for name in NETWORKS)
CALIBRATION_IMAGES = 4
ALL_POINTS = 100.0


def main() -> None:
    """Export what is not there yet, and build."""
    given = parser().parse_args()
    model = model_of(given.folder, given.network, given.batch)
    if not model.exists():
        export(given.network, given.batch, model)
    sizes = {"model MB": model.stat().st_size / 1e6}
    if given.kind is not None:
        engine = engine_of(given.folder, given.network, given.batch, given.kind, given.precision)
        build(model, engine, request_of(given.kind, given.precision, tuple(given.compute_capability)))
        sizes["engine MB"] = sum(path.stat().st_size for path in engine.iterdir()) / 1e6
    print(json.dumps(sizes))


def parser() -> argparse.ArgumentParser:
    """Give the parser of the command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("folder", type=Path)
    made.add_argument("network", choices=(*DEMO, *SIZES))
    made.add_argument("kind", choices=tuple(KINDS), nargs="?")
    made.add_argument("precision", choices=get_args(Precision), nargs="?", default="fp32")
    made.add_argument("--batch", type=int, default=1)
    made.add_argument("--compute-capability", action="append", default=[], metavar="X.Y")
    return made


def request_of(kind: str, precision: Precision, capabilities: tuple[str, ...]) -> Request:
    """Say what is built."""
    made = KINDS[kind]
    options = {"compute_capabilities": capabilities} if made.backend == "tensorrt_rtx" else {}
    return Request(made.backend, precision, device=made.device, options=options)


def described(network: str, batch: int) -> tuple[Network, Settings]:
    """Make a network and say how it is exported: the dense lowering, and labels rather than logits."""
    if network not in DEMO:
        made, settings = network_of(network)
    else:
        made, _ = open_network(network, CHECKPOINTS / f"{network.removeprefix('demo_')}.safetensors")
        settings = Settings(network, scenes.DEFAULT_SIZE_HW, class_names=scenes.CLASS_NAMES)
    kind = "labels" if made.task == "semantic" else None
    return made, replace(settings, lowering="dense", batch=batch, output_kind=kind)


def export(network: str, batch: int, model: Path) -> None:
    """Export a network."""
    made, settings = described(network, batch)
    model.parent.mkdir(parents=True, exist_ok=True)
    export_network(made, model, settings)


def build(model: Path, engine: Path, request: Request) -> None:
    """Build an engine; int8 is calibrated on scenes (of the demo's networks) or on generated pictures."""
    shape = onnx.load(model, load_external_data=False).graph.input[0].type.tensor_type.shape
    _, height, width, _ = (dim.dim_value for dim in shape.dim)
    size_hw = (height, width)
    trained = model.parent.name.startswith("demo_")
    images = np.stack(
        [
            scenes.generate(seed, size_hw).image if trained else picture(seed, size_hw)
            for seed in range(CALIBRATION_IMAGES)
        ]
    )
    calibration = Calibration(images, "minmax", None, ALL_POINTS)
    build_engine(
        model,
        engine,
        request=request,
        calibration=None if request.precision == "fp32" else calibration,
        images=images,
        tolerances=None if trained else ANY_DIFFERENCE,
        passes=False,  # they are chosen by measuring, which would take the time
    )


if __name__ == "__main__":
    main()
