"""Measure what the CRF does to labels: mIoU and boundary F-score (2 pixels) without, by default, and fitted.

The demo's networks, exported with logits, on the demo's scenes. `stride 8`: their logits averaged over 8x8
pixels, as a network at that stride gives them. Parameters are fitted on other scenes than those tested on.

    python -m benchmarks.crf_accuracy [--fit N] [--test N] [--trials N]
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgeseg.cli import status_of
from edgeseg.demo.showcase import CHECKPOINTS
from edgeseg.runtime import Segmenter
from edgeseg.runtime.crf import fit
from edgeseg.runtime.crf.refinement import DEFAULT
from edgeseg.scenes.scene import CLASS_NAMES, generate

SIZE_HW = (240, 320)
STRIDE = 8
FIT_SEED, TEST_SEED = 700_000, 800_000  # the networks have seen neither


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", type=int, default=24, help="scenes")
    parser.add_argument("--test", type=int, default=60, help="scenes")
    parser.add_argument("--trials", type=int, default=fit.COARSE + fit.FINE)
    arguments = parser.parse_args()
    trials = arguments.trials * fit.COARSE // (fit.COARSE + fit.FINE)
    print(f"{'mIoU / boundary F':22} {'without':>15} {'default':>15} {'fitted':>15}")
    with tempfile.TemporaryDirectory() as folder:
        for network in ("unet", "deeplab"):
            engine = demo_engine(network, Path(folder), "--output-kind", "logits")
            for stride in (None, STRIDE):
                known = list(examples(engine, FIT_SEED, arguments.fit, stride))
                unseen = list(examples(engine, TEST_SEED, arguments.test, stride))
                fitted = fit.fit(known, DEFAULT, trials=(trials, arguments.trials - trials))
                cells = [fit.score(unseen, parameters) for parameters in (None, DEFAULT, fitted)]
                text = "".join(f" {100 * c.miou:7.2f} /{100 * c.boundary_f:6.2f}" for c in cells)
                print(f"{network:8} {'stride 8' if stride else 'as it is':12} {text}", flush=True)
                print(
                    "  " + ", ".join(f"{k} {v:g}" for k, v in dataclasses.asdict(fitted).items()), flush=True
                )


def demo_engine(network: str, folder: Path, *options: str) -> Path:
    """Export a network of the demo with options of `edgeseg export`, and build its engine."""
    names = folder / "names.txt"
    names.write_text("\n".join(CLASS_NAMES))
    model, engine = folder / f"{network}.onnx", folder / network
    weights = CHECKPOINTS / f"{network}.safetensors"
    arguments = ["--weights", str(weights), "--size", f"{SIZE_HW[0]}x{SIZE_HW[1]}", "--classes", str(names)]
    if status_of(["export", f"demo_{network}", *arguments, *options, "-o", str(model)]):
        raise SystemExit(1)
    if status_of(["build", str(model), "--backend", "onnxruntime", "-o", str(engine)]):
        raise SystemExit(1)
    return engine


def examples(engine: Path, seed: int, count: int, stride: int | None) -> Iterator[fit.Example]:
    """Run an engine over scenes."""
    with Segmenter.open(engine) as segmenter:
        for i in range(count):
            scene = generate(seed + i, SIZE_HW)
            prepared = segmenter.preprocess(scene.image)
            logits = np.ascontiguousarray(segmenter.infer(prepared)["logits"][0])
            if stride:
                grid = SIZE_HW[1] // stride, SIZE_HW[0] // stride
                logits = np.stack([cv2.resize(p, grid, interpolation=cv2.INTER_AREA) for p in logits])
            yield fit.Example(logits, prepared.placement, scene.image, scene.labels)


if __name__ == "__main__":
    main()
