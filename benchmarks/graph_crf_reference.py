"""Photographs, rough logits and what pydensecrf makes of them, for `benchmarks.graph_crf`.

For an interpreter of its own, with pydensecrf2, scikit-image and OpenCV, which this project does not need:

    python benchmarks/graph_crf_reference.py --sizes 240x320 512x512 -o reference.npz
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np
import skimage.data
from graph_crf_settings import ITERATIONS, SETTINGS
from pydensecrf import densecrf

PHOTOGRAPHS = ("astronaut", "coffee", "cat")
CLASSES = (2, 5, 21)
LOGIT_STRIDE = 8  # pixels, of the network that is played
CONTRAST, NOISE = 6.0, 0.7  # of its logits


def main() -> None:
    """Write one file with arrays `image`, `logits`, `labels` and `milliseconds` of every case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["240x320", "512x512"])
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    arrays: dict[str, np.ndarray] = {}
    for size in arguments.sizes:
        height, width = map(int, size.split("x"))
        for name in PHOTOGRAPHS:
            image = photograph(name, (height, width))
            arrays[f"{size}/{name}/image"] = image
            for classes in CLASSES:
                case = f"{size}/{name}/{classes}"
                arrays[f"{case}/logits"] = logits = rough_logits(image, classes)
                for setting in SETTINGS:
                    start = time.perf_counter()
                    labels = refined_labels(logits, image, setting)
                    arrays[f"{case}/{setting}/milliseconds"] = np.array(1e3 * (time.perf_counter() - start))
                    arrays[f"{case}/{setting}/labels"] = labels
    np.savez(arguments.output, **arrays)


def photograph(name: str, size_hw: tuple[int, int]) -> np.ndarray:
    """Give a photograph of scikit-image, (H, W, 3) BGR."""
    rgb = getattr(skimage.data, name)()[..., :3]
    height, width = size_hw
    return np.ascontiguousarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)[..., ::-1])


def rough_logits(image: np.ndarray, classes: int) -> np.ndarray:
    """Play a coarse network: clusters of colour and place at a stride, blurred, with noise; (C, H, W)."""
    height, width = image.shape[:2]
    rows, columns = height // LOGIT_STRIDE, width // LOGIT_STRIDE
    blurred = cv2.GaussianBlur(image, (0, 0), LOGIT_STRIDE / 2)
    small = cv2.resize(blurred, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    place = 3 * np.stack([x / columns, y / rows], axis=2)
    features = np.concatenate([small / 30, place], axis=2).reshape(-1, 5).astype(np.float32)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 20, 1e-3)
    _, clusters, _ = cv2.kmeans(features, classes, None, stop, 2, cv2.KMEANS_PP_CENTERS)
    clusters = clusters.reshape(rows, columns)
    random = np.random.default_rng(0)
    planes = []
    for index in range(classes):
        plane = cv2.GaussianBlur((clusters == index).astype(np.float32), (0, 0), 1) * CONTRAST
        plane += random.normal(0, NOISE, plane.shape).astype(np.float32)
        planes.append(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR))
    logits = np.stack(planes)
    logits -= logits.max(axis=0)
    return logits - np.log(np.exp(logits).sum(axis=0))


def refined_labels(logits: np.ndarray, image: np.ndarray, setting: str) -> np.ndarray:
    """Run pydensecrf, (H, W) class ids."""
    position, colour, weight = SETTINGS[setting]
    classes, height, width = logits.shape
    field = densecrf.DenseCRF2D(width, height, classes)
    field.setUnaryEnergy(np.ascontiguousarray(-logits.reshape(classes, -1)))
    field.addPairwiseGaussian(sxy=3, compat=3)
    field.addPairwiseBilateral(sxy=position, srgb=colour, rgbim=image, compat=weight)
    marginals = np.array(field.inference(ITERATIONS))
    return marginals.argmax(axis=0).reshape(height, width).astype(np.uint8)


if __name__ == "__main__":
    main()
