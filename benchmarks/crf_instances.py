"""Measure what the CRF does to instances' masks: average precision without, by default, and fitted.

The demo's Mask R-CNN on the demo's scenes; AP is the mean over IoU 0.5, 0.55, .., 0.95. `frames`: the
defaults for labels of whole frames. `fitted`: the best of 120 settings by AP on 60 other scenes.

    python -m benchmarks.crf_instances [--test N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.crf_accuracy import demo_engine
from edgeseg.demo.showcase import LOWEST_SCORE
from edgeseg.metrics.average_precision import average_precision
from edgeseg.runtime import InstanceResult, Segmenter
from edgeseg.runtime.crf import instances, refinement
from edgeseg.scenes.scene import Scene, generate
from edgeseg.spec import CRFSpec

TEST_SEED = 800_000  # the network has not seen them
IOUS = np.arange(10) * 0.05 + 0.5
FITTED = CRFSpec(
    height=240,
    appearance_position_px=55.2,
    appearance_colour=9.07,
    appearance_weight=4.77,
    smoothness_position_px=1.26,
    smoothness_weight=1.88,
    iterations=11,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", type=int, default=160, help="scenes")
    scenes = [generate(TEST_SEED + i) for i in range(parser.parse_args().test)]
    with tempfile.TemporaryDirectory() as folder:
        engine = demo_engine("maskrcnn", Path(folder), "--score-threshold", str(LOWEST_SCORE))
        print(f"{'':8} {'AP':>6} {'AP50':>6} {'AP75':>6} {'ms an object':>13}")
        for name, crf in (
            ("without", False),
            ("default", instances.DEFAULT),
            ("frames", refinement.DEFAULT),
            ("fitted", FITTED),
        ):
            found, object_ms = found_in(engine, crf, scenes)
            results = [result.to_coco() for result in found]
            precision = [100 * average_precision(results, scenes, "mask", iou) for iou in IOUS]
            figures = f"{np.mean(precision):6.1f} {precision[0]:6.1f} {precision[5]:6.1f}"
            print(f"{name:8} {figures} {object_ms:13.2f}", flush=True)


def found_in(engine: Path, crf: CRFSpec | bool, scenes: list[Scene]) -> tuple[list[InstanceResult], float]:
    """Find the objects of all scenes; also give the milliseconds from outputs to a mask."""
    results, spent_s = [], 0.0
    with Segmenter.open(engine, crf=crf) as segmenter:
        for scene in scenes:
            prepared = segmenter.preprocess(scene.image)
            outputs = segmenter.infer(prepared)
            start_s = time.perf_counter()
            result = segmenter.finish(outputs, prepared.placement, scene.image)
            spent_s += time.perf_counter() - start_s
            assert isinstance(result, InstanceResult)
            results.append(result)
    return results, 1000 * spent_s / max(sum(map(len, results)), 1)


if __name__ == "__main__":
    main()
