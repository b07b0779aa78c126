"""Measure the CRF against pydensecrf2: medians of interleaved runs in milliseconds, and the equal labels.

Photographs of scikit-image; logits as a coarse network gives them: k-means of colour and place at stride 8,
blurred, with noise, upsampled. 5 iterations; smoothness 3 px, weight 3; appearance A: 80 px, colour 13,
weight 10; B: 67 px, colour 3, weight 4. `pydensecrf` includes what it needs for every frame: setting
unaries, building both kernels, inference and argmax; where it is not installed, ours is timed alone. With
several threads ours with one stands beside it, too.

    python -m benchmarks.crf [--repeats N] [--threads N] [--photographs N] [--levels]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.geometry import place
from edgeseg.runtime.crf import DenseCRF
from edgeseg.runtime.crf.budget import levels
from edgeseg.runtime.crf.refinement import DEFAULT, Refinement
from edgeseg.spec import CRFSpec, InputSpec

PHOTOGRAPHS = ("astronaut", "coffee", "cat", "rocket")
SIZES_HW = ((240, 320), (512, 512), (480, 640))
LABELS = (2, 5, 21)
ITERATIONS = 5
SETTINGS = {
    "A": CRFSpec(480, 80, 13, 10, 3, 3, ITERATIONS),
    "B": CRFSpec(480, 67, 3, 4, 3, 3, ITERATIONS),
}
STRIDE = 8

Way = Callable[[], NDArray[np.generic]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--photographs", type=int, default=2, choices=range(1, len(PHOTOGRAPHS) + 1))
    parser.add_argument(
        "--levels", action="store_true", help="cost and accuracy of the budget's levels instead"
    )
    arguments = parser.parse_args()
    names = PHOTOGRAPHS[: arguments.photographs]
    if arguments.levels:
        compare_levels(names, arguments.repeats)
    else:
        compare(names, arguments.repeats, arguments.threads)


def compare(names: Sequence[str], repeats: int, threads: int) -> None:
    """Print ours beside theirs, and beside one thread, over sizes, settings, labels and photographs."""
    others = ["theirs"] if find_spec("pydensecrf") is not None else []
    if not others:
        print("pydensecrf2 is not installed: pip install 'edgeseg[crf-peers]'")
    if threads > 1:
        others.append("one thread")
    ratios: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    agreements = []
    titles = "".join(f" {other:>10} {'ratio':>6}" for other in others)
    print(f"{'':30} {'ours':>8}{titles}  agree %")
    for height, width in SIZES_HW:
        for setting, parameters in SETTINGS.items():
            for count in LABELS:
                for name in names:
                    image = photograph(name, (height, width))
                    logits = rough_logits(image, count)
                    ways: dict[str, Way] = {
                        "theirs": partial(pydensecrf_labels, logits, image, parameters),
                        "one thread": partial(labels, DenseCRF(parameters), logits, image),
                        "ours": partial(labels, DenseCRF(parameters, threads=threads), logits, image),
                    }
                    asked = {way: call for way, call in ways.items() if way in ("ours", *others)}
                    results, times_ms = interleaved(asked, repeats)
                    cells = f"{name:10} {width:4}x{height} {setting} L={count:2}   {times_ms['ours']:8.1f}"
                    for other in others:
                        ratio = times_ms[other] / times_ms["ours"]
                        ratios[setting, other][count].append(ratio)
                        cells += f" {times_ms[other]:10.1f} {ratio:6.2f}"
                    if "theirs" in others:
                        agreements.append(100 * float((results["ours"] == results["theirs"]).mean()))
                        cells += f"  {agreements[-1]:6.2f}"
                    print(cells, flush=True)
    for (setting, other), by_labels in ratios.items():
        means = {count: statistics.geometric_mean(values) for count, values in by_labels.items()}
        told = ", ".join(f"{count} labels {mean:.2f}" for count, mean in means.items())
        mean = statistics.geometric_mean([ratio for values in by_labels.values() for ratio in values])
        print(f"{setting}, {threads} thread(s), {other}: geometric mean {mean:.2f}; {told}")
    if agreements:
        print(f"agreement: {min(agreements):.2f} at least, {statistics.mean(agreements):.2f} on average")


def labels(field: DenseCRF, logits: NDArray[np.float32], image: NDArray[np.uint8]) -> NDArray[np.generic]:
    """Label every pixel by ours."""
    return field(logits, image).labels


def compare_levels(names: Sequence[str], repeats: int) -> None:
    """Print what each level of a frame budget costs, and how many labels are those of the first level."""
    print(f"{'640x480, A':29} {'ms':>7}  same as full, %")
    for count in LABELS:
        for level in levels(ITERATIONS):
            times, same = [], []
            for name in names:
                image = photograph(name, (480, 640))
                logits = rough_logits(image, count)
                placement = place((480, 640), InputSpec(480, 640))
                refine = Refinement(DEFAULT)
                results, times_ms = interleaved(
                    {
                        "full": lambda r=refine, x=logits, p=placement, i=image: (
                            r.at(levels(5)[0], x, p, i).labels
                        ),
                        "level": lambda r=refine, x=logits, p=placement, i=image, v=level: (
                            r.at(v, x, p, i).labels
                        ),
                    },
                    repeats,
                )
                times.append(times_ms["level"])
                same.append(100 * float((results["full"] == results["level"]).mean()))
            size = ("half" if level.half else "full") + (" size, band" if level.band else " size")
            print(
                f"L={count:2} {size:15} {level.iterations} iter.  {statistics.mean(times):7.1f}  "
                f"{statistics.mean(same):6.2f}",
                flush=True,
            )


def interleaved(
    ways: dict[str, Way], repeats: int
) -> tuple[dict[str, NDArray[np.generic]], dict[str, float]]:
    """Run each way once to warm up, then all in turn; give results and median milliseconds."""
    results = {name: way() for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start_s = time.perf_counter()
            way()
            times[name].append(1000 * (time.perf_counter() - start_s))
    return results, {name: statistics.median(values) for name, values in times.items()}


def photograph(name: str, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Give a photograph of scikit-image (H, W, 3) BGR at a size."""
    from skimage import data

    image = getattr(data, name)()[..., 2::-1]
    return np.ascontiguousarray(cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_AREA))


def rough_logits(image: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """Give log probabilities (C, H, W) of regions by colour and place, blurred as at stride 8."""
    rng = np.random.default_rng(0)
    height, width = image.shape[:2]
    small_hw = height // STRIDE, width // STRIDE
    small = cv2.resize(cv2.GaussianBlur(image, (0, 0), 4), small_hw[::-1], interpolation=cv2.INTER_AREA)
    place_yx = np.stack(np.meshgrid(*(np.arange(n) / n * 3 for n in small_hw), indexing="ij"), axis=-1)
    points = np.concatenate([small / 30, place_yx], axis=2).reshape(-1, 5).astype(np.float32)
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1e-3)
    _, regions, _ = cv2.kmeans(points, count, np.empty(0, np.int32), criteria, 2, cv2.KMEANS_PP_CENTERS)
    regions = regions.reshape(small_hw)
    planes = []
    for label in range(count):
        coarse = 6 * cv2.GaussianBlur((regions == label).astype(np.float32), (0, 0), 1)
        coarse += rng.normal(0, 0.7, small_hw).astype(np.float32)
        planes.append(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    logits = np.stack(planes)
    logits -= logits.max(axis=0)
    return np.ascontiguousarray(logits - np.log(np.exp(logits).sum(axis=0)), np.float32)


def pydensecrf_labels(
    logits: NDArray[np.float32], image: NDArray[np.uint8], parameters: CRFSpec
) -> NDArray[np.generic]:
    """Label every pixel by pydensecrf2."""
    from pydensecrf import densecrf

    count, height, width = logits.shape
    field = densecrf.DenseCRF2D(width, height, count)
    field.setUnaryEnergy(np.ascontiguousarray(-logits.reshape(count, -1)))
    field.addPairwiseGaussian(sxy=parameters.smoothness_position_px, compat=parameters.smoothness_weight)
    field.addPairwiseBilateral(
        sxy=parameters.appearance_position_px,
        srgb=parameters.appearance_colour,
        rgbim=image,
        compat=parameters.appearance_weight,
    )
    marginals = np.array(field.inference(parameters.iterations))
    return marginals.argmax(axis=0).reshape(height, width)


if __name__ == "__main__":
    main()
