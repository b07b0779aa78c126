"""Full-size networks in TensorRT for RTX, which needs no GPU to parse and build: size and time of each.

The weights are random: they do not decide which operators there are. int8 quantises every layer that the
rules allow. Mask R-CNN is the dense lowering.

    python -m benchmarks.full_size_engines [--networks NAME ...] [--compute-capability 8.6]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.errors import EdgesegError
from edgeseg.export.exporter import Settings, export_network
from edgeseg.graph.precision.convert import Calibration
from edgeseg.manifest import read_manifest
from edgeseg.models import zoo
from edgeseg.models.checkpoints.loading import load_weights
from edgeseg.models.network import Network
from edgeseg.proof.tolerances import Tolerances
from edgeseg.scenes.pictures import picture
from edgeseg.spec import Precision
from tests.models.torchvision_weights import arranged

MASK_RCNN = "maskrcnn_resnet50_fpn"
SIZES = {
    "unet": (480, 640),
    "deeplabv3_mobilenet_v3_large": (512, 512),
    "deeplabv3_resnet50": (512, 512),
    MASK_RCNN: (800, 1088),
}
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
ANY_DIFFERENCE = Tolerances(
    relative_logit=np.inf,
    label_agreement=0.0,
    class_overlap=0.0,
    unmatched_share=2.0,
    borderline_share=2.0,
    score=1.0,
    box_px=np.inf,
    mask=1.0,
    mask_iou=0.0,
    match_iou=0.05,
)  # random weights have nothing to lose
ALL_POINTS = 100.0
REFUSED = {"NonMaxSuppression", "NonZero", "RoiAlign", "Unique", "Compress"}


@dataclass(frozen=True)
class Row:
    """One engine, or why there is none."""

    megabytes: float
    seconds: float
    outcome: str


def main() -> None:
    """Print one row an engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--compute-capability", default="8.6")
    arguments = parser.parse_args()
    print(f"{'network':30} {'size':>9} {'precision':9} {'MB':>7} {'build s':>8}  outcome")
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            model = export(name, Path(folder))
            for precision in PRECISIONS:
                row = measure(model, Path(folder) / precision, precision, arguments.compute_capability)
                size = "x".join(map(str, SIZES[name]))
                print(
                    f"{name:30} {size:>9} {precision:9} "
                    f"{row.megabytes:7.1f} {row.seconds:8.1f}  {row.outcome}",
                    flush=True,
                )


def export(name: str, folder: Path) -> Path:
    """Export a network with random weights."""
    network, settings = network_of(name)
    export_network(network, folder / "model.onnx", settings)
    operators = {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}
    assert not operators & REFUSED, operators & REFUSED
    return folder / "model.onnx"


def network_of(name: str) -> tuple[Network, Settings]:
    """Make a network of random weights (Mask R-CNN's find a few objects), and say how it is exported."""
    torch.manual_seed(0)
    size_hw = SIZES[name]
    network = zoo.create(name, num_classes=91 if name == MASK_RCNN else 21)
    if name == MASK_RCNN:
        pixels = torch.from_numpy(picture(0, size_hw)[..., ::-1].copy()).permute(2, 0, 1) / 255
        weights = arranged(
            name, pixels, detections=20, score_threshold=0.5, min_size=size_hw[0], max_size=size_hw[1]
        )
        load_weights(network.module, weights.state_dict())
    settings = Settings(
        name,
        size_hw,
        lowering="dense" if name == MASK_RCNN else "onnx",
        score_threshold=0.5,
        tolerances=ANY_DIFFERENCE,
    )
    return network, settings


def measure(model: Path, engine: Path, precision: Precision, capability: str) -> Row:
    """Convert and build."""
    options = {"compute_capabilities": (capability,)}
    size_hw = onnx_size(model)
    images = np.stack([picture(seed, size_hw) for seed in range(2)])
    calibration = None if precision == "fp32" else Calibration(images, "minmax", None, ALL_POINTS)
    started = time.perf_counter()
    try:
        build_engine(
            model,
            engine,
            request=Request("tensorrt_rtx", precision, options=options),
            calibration=calibration,
            images=images[:1],
            tolerances=ANY_DIFFERENCE,
        )
    except EdgesegError as error:
        return Row(0.0, time.perf_counter() - started, f"refused: {error}")
    seconds = time.perf_counter() - started
    size = sum((engine / name).stat().st_size for name in read_manifest(engine).files)
    return Row(size / 1e6, seconds, "parsed and built")


def onnx_size(model: Path) -> tuple[int, int]:
    """Read height and width of the model's input (N, H, W, 3)."""
    shape = onnx.load(model, load_external_data=False).graph.input[0].type.tensor_type.shape
    _, height, width, _ = (dim.dim_value for dim in shape.dim)
    return height, width


if __name__ == "__main__":
    main()
