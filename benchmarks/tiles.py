"""Measure what tiles bring in frames of 4 times the input's sides, against shrinking the frames.

The demo's networks, which know objects of 24 to 90 pixels, on two kinds of scenes of 960x1280: `small`, with
objects of that size, and `large`, scenes of the input's size enlarged 4 times. Without tiles the first are
shrunk to a quarter; with tiles alone the second are larger than what a tile shows.

    python -m benchmarks.tiles [--engines FOLDER] [--scenes N]
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.crf_accuracy import demo_engine
from edgeseg.demo.showcase import LOWEST_SCORE, NETWORKS
from edgeseg.metrics.average_precision import average_precision
from edgeseg.metrics.confusion import confusion_matrix, mean_iou
from edgeseg.runtime import Engine, InstanceResult, Segmenter, SemanticResult, Tiling
from edgeseg.scenes.scene import CLASS_NAMES, DEFAULT_SIZE_HW, Scene, generate

TIMES = 4  # the input's height and width
FRAME_HW = (TIMES * DEFAULT_SIZE_HW[0], TIMES * DEFAULT_SIZE_HW[1])
SEEDS = {"small": 910_000, "large": 920_000}  # the networks have not seen them
WAYS = {"shrunk": None, "4x4": Tiling((4, 4)), "auto": Tiling(whole=False), "auto + whole": Tiling()}


def main() -> None:
    """Print one row for each network, kind of scenes, and way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engines", type=Path, help="a folder of `edgeseg demo`; by default they are built")
    parser.add_argument("--scenes", type=int, default=20, help="of each kind")
    options = parser.parse_args()
    cpu = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout.splitlines()
    print(*(line for line in cpu if line.startswith(("Model name", "CPU(s):"))), sep="\n")
    scenes = {
        "small": [generate(SEEDS["small"] + i, FRAME_HW) for i in range(options.scenes)],
        "large": [enlarged(generate(SEEDS["large"] + i)) for i in range(options.scenes)],
    }
    print(f"{'network':9} {'objects':8} {'way':13} {'images':>6} {'accuracy':>30} {'ms a frame':>11}")
    with tempfile.TemporaryDirectory() if options.engines is None else nullcontext() as folder:
        for network in NETWORKS:
            with Engine.open(engine_of(network, options.engines, folder)) as engine:
                for kind, seen in scenes.items():
                    for way, tiling in WAYS.items():
                        if engine.spec.task == "semantic" and tiling is not None and way == "auto + whole":
                            continue
                        row = measure(engine, tiling, seen)
                        print(f"{network:9} {kind:8} {way:13} {row}", flush=True)


def engine_of(network: str, engines: Path | None, folder: str | None) -> Path:
    if engines is not None:
        return engines / f"{network}-engine"
    flags = {"maskrcnn": ["--score-threshold", str(LOWEST_SCORE)], "deeplab": ["--output-kind", "logits"]}
    return demo_engine(network, Path(folder or ""), *flags.get(network, []))


def enlarged(scene: Scene) -> Scene:
    """Enlarge a scene TIMES times: the picture smoothly, the truth by repetition."""

    def repeat(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return labels.repeat(TIMES, axis=0).repeat(TIMES, axis=1)

    image = cv2.resize(scene.image, FRAME_HW[::-1], interpolation=cv2.INTER_CUBIC)
    return replace(
        scene,
        image=np.asarray(image, np.uint8),
        labels=repeat(scene.labels),
        instances=repeat(scene.instances),
        boxes=scene.boxes * np.float32(TIMES),
    )


def measure(engine: Engine, tiling: Tiling | None, scenes: list[Scene]) -> str:
    """Give images a frame, accuracy in percent, and the median time of a frame."""
    segment = Segmenter(engine, tiles=tiling)
    images = len(segment.preprocess(scenes[0].image).image)
    segment(scenes[0].image)
    results, durations_ms = [], []
    for scene in scenes:
        start_s = time.perf_counter()
        results.append(segment(scene.image))
        durations_ms.append(1000 * (time.perf_counter() - start_s))
    return f"{images:6} {accuracy(results, scenes):>30} {np.median(durations_ms):11.1f}"


def accuracy(results: list[SemanticResult | InstanceResult], scenes: list[Scene]) -> str:
    found = [result for result in results if isinstance(result, InstanceResult)]
    if found:
        coco = [result.to_coco() for result in found]
        ap50, ap75 = (100 * average_precision(coco, scenes, "mask", iou) for iou in (0.5, 0.75))
        return f"mask AP50 {ap50:.1f}, AP75 {ap75:.1f}"
    matrices = []
    for scene, result in zip(scenes, results, strict=True):
        assert isinstance(result, SemanticResult)
        matrices.append(confusion_matrix(scene.labels, result.labels, len(CLASS_NAMES)))
    return f"mIoU {100 * mean_iou(np.sum(matrices, axis=0)):.1f}"


if __name__ == "__main__":
    main()
