"""Measure how long resizing a frame into the network's input takes, beside the library of each filter.

Milliseconds are medians of interleaved runs on one core; `x` is the time of the filter's own library over
that of `edgeseg`: Pillow for `pil`, PyTorch's of bytes for `antialias`, OpenCV for `area` and `linear`. The
kernels are the two that are compiled, and NumPy's stand-in.

    python -m benchmarks.resizing [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from edgeseg.frames.resize import resize
from edgeseg.frames.resize_kernel import fastest, resize_by_kernel, resize_by_numpy
from edgeseg.frames.resize_weights import triangle
from edgeseg.machine import this_machine

SIZES = (  # of a frame and an input, height x width
    ((480, 640), (240, 320)),
    ((1080, 1920), (512, 512)),
    ((2160, 3840), (512, 512)),
    ((720, 1280), (800, 1066)),
)
COLUMNS = (
    f"{'frame':>10} {'input':>9}   {'pil':>6} {'x':>5}   {'antialias':>9} {'x':>5}   {'area':>6} {'x':>5}   "
    f"{'linear':>6} {'x':>5}   {'baseline':>8} {'NumPy':>6}"
)


def ways(frame_hw: tuple[int, int], size_hw: tuple[int, int]) -> dict[str, Callable[[], object]]:
    """Name what is timed: each filter here, `their` libraries, and the other kernels."""
    frame = np.random.default_rng(0).integers(0, 256, (*frame_hw, 3), dtype=np.uint8)
    out = np.empty((*size_hw, 3), np.uint8)
    picture, tensor = Image.fromarray(frame), torch.from_numpy(frame).permute(2, 0, 1)[None]
    rows, columns = (triangle(*sides) for sides in zip(frame_hw, size_hw, strict=True))
    size_wh = size_hw[::-1]
    return {
        "pil": lambda: resize(frame, out, "pil"),
        "their pil": lambda: picture.resize(size_wh, Image.Resampling.BILINEAR),
        "antialias": lambda: resize(frame, out, "antialias"),
        "their antialias": lambda: F.interpolate(tensor, size_hw, mode="bilinear", antialias=True),
        "area": lambda: resize(frame, out, "area"),
        "their area": lambda: cv2.resize(frame, size_wh, dst=out, interpolation=cv2.INTER_AREA),
        "linear": lambda: resize(frame, out, "linear"),
        "their linear": lambda: cv2.resize(frame, size_wh, dst=out, interpolation=cv2.INTER_LINEAR),
        "baseline": lambda: resize_by_kernel("baseline", frame, rows, columns, out),
        "NumPy": lambda: resize_by_numpy(frame, rows, columns, out),
    }


def medians_ms(timed: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Run all in turn, again and again, each once before it is timed, so that caches are its own."""
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(repeats):
        for name, run in timed.items():
            run()
            started = time.perf_counter()
            run()
            taken[name].append(1e3 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"{this_machine().cpu}, kernel {fastest()}, one thread")
    print(COLUMNS)
    for frame_hw, size_hw in SIZES:
        ms = medians_ms(ways(frame_hw, size_hw), repeats)
        pil, antialias, area, linear = (
            f"{ms[by]:>{wide}.2f} {ms[f'their {by}'] / ms[by]:>5.2f}"
            for by, wide in (("pil", 6), ("antialias", 9), ("area", 6), ("linear", 6))
        )
        sizes = f"{frame_hw[1]}x{frame_hw[0]} {size_hw[1]}x{size_hw[0]}".split()
        print(
            f"{sizes[0]:>10} {sizes[1]:>9}   {pil}   {antialias}   {area}   {linear}   "
            f"{ms['baseline']:>8.2f} {ms['NumPy']:>6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
