"""What preprocessing, post-processing and the overlay cost beside the network, for frames of 640x480.

The demo's networks are small, so that their shares are the highest a user will see. Medians in milliseconds;
the share is that of everything but the network in the sum of all four.

    python -m benchmarks.beside_the_network [--frames N]
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import islice
from pathlib import Path

from edgeseg.demo.showcase import CHECKPOINTS, SHOWN_SCORE
from edgeseg.engines.building.build import build_engine
from edgeseg.export.exporter import Settings, export_network
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.runtime import Segmenter
from edgeseg.runtime.overlay import draw
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.steps import segment
from edgeseg.scenes.scene import CLASS_NAMES, animate

FRAME_HW = (480, 640)
STAGES = ("preprocess", "infer", "postprocess", "render")
# network, input size, kind of output
CASES = (
    ("unet", (240, 320), "labels"),
    ("unet", (480, 640), "labels"),
    ("deeplab", (240, 320), "labels"),
    ("deeplab", (240, 320), "logits"),
    ("deeplab", (480, 640), "logits"),
    ("maskrcnn", (240, 320), "labels"),
    ("maskrcnn", (480, 640), "labels"),
)
WARMUP = 5


def main() -> None:
    """Print one row a case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=40)
    frames = parser.parse_args().frames
    print(
        f"{'network':10} {'input':>8} {'output':>9} "
        + " ".join(f"{name:>11}" for name in STAGES)
        + "   share"
    )
    for network, size_hw, output_kind in CASES:
        with tempfile.TemporaryDirectory() as folder:
            medians = measure(network, size_hw, output_kind, frames, Path(folder))
        beside = sum(medians.values()) - medians["infer"]
        kind = "instances" if network == "maskrcnn" else output_kind
        row = " ".join(f"{medians[name]:11.2f}" for name in STAGES)
        share = beside / sum(medians.values())
        print(f"{network:10} {size_hw[0]:>4}x{size_hw[1]} {kind:>9} {row} {share:7.1%}", flush=True)


def measure(
    network: str, size_hw: tuple[int, int], output_kind: str, frames: int, folder: Path
) -> dict[str, float]:
    """Give the median time of each stage in milliseconds."""
    model = folder / "model.onnx"
    trained, _ = open_network(f"demo_{network}", CHECKPOINTS / f"{network}.safetensors")
    kind = "logits" if output_kind == "logits" else "labels"
    settings = Settings(
        network, size_hw, output_kind=kind, class_names=CLASS_NAMES, score_threshold=SHOWN_SCORE
    )
    export_network(trained, model, settings)
    build_engine(model, folder / "engine")
    scenes = list(islice(animate(1, FRAME_HW), WARMUP + frames))
    times = StageTimes()
    with Segmenter.open(folder / "engine") as segmenter:
        for i, scene in enumerate(scenes):
            kept = times if i >= WARMUP else StageTimes()
            result = segment(segmenter, scene.image, kept)
            with kept.measure("render"):
                draw(scene.image, result, segmenter.spec)
    return {name: summary.p50 for name, summary in times.summaries().items()}


if __name__ == "__main__":
    main()
