"""Keep what PyTorch found in frames larger than the input, as JSON: their seeds, sizes, and some results."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph.golden.archive import read_arrays
from edgeseg.graph.outputs import Outputs

MOST_FRAMES = 16  # an export keeps three
MOST_SIDE = 1 << 16  # pixels
KINDS = {"labels": "u", "boxes": "f", "scores": "f", "class_ids": "i"}  # of the arrays' numbers


@dataclass(frozen=True)
class GoldenFrame:
    """What is to be found in one frame.

    Attributes:
        seed: of the picture that is enlarged, and of the frame's noise.
        size_hw: of the frame, in pixels.
        results: in the frame's pixels: `labels` at a grid of them, or `boxes`, `scores` and `class_ids`;
            empty where a detector's decisions tie, so that its objects prove nothing.
        unsteady: how many labels or objects of PyTorch's own change between the frame as the filter's
            definition resizes it and as the runtime does, which rounds otherwise.
    """

    seed: int
    size_hw: tuple[int, int]
    results: Outputs
    unsteady: int = 0

    def without_results(self) -> GoldenFrame:
        """Keep what the frame is, and nothing of what is to be found in it."""
        return GoldenFrame(self.seed, self.size_hw, {})


def frames_to_json(frames: Sequence[GoldenFrame]) -> dict[str, Any]:
    """Give JSON values, with the arrays in one base64 block."""
    arrays: dict[str, NDArray[Any]] = {
        f"{index}.{name}": array
        for index, frame in enumerate(frames)
        for name, array in sorted(frame.results.items())
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return {
        "frames": [
            {"seed": frame.seed, "size_hw": list(frame.size_hw), "unsteady": frame.unsteady}
            for frame in frames
        ],
        "arrays": base64.b64encode(buffer.getvalue()).decode(),
    }


def frames_from_json(value: Any) -> tuple[GoldenFrame, ...]:
    """Read what `frames_to_json` gave.

    Raises:
        Exception: of any class, for anything else.
    """
    told = value["frames"]
    if not 1 <= len(told) <= MOST_FRAMES:
        raise ValueError(f"1 to {MOST_FRAMES} frames")
    results: list[dict[str, NDArray[Any]]] = [{} for _ in told]
    for key, array in read_arrays(base64.b64decode(value["arrays"])).items():
        index, _, name = key.partition(".")
        if array.dtype.kind != KINDS[name]:
            raise ValueError(f"{name} of {array.dtype}")
        results[int(index)][name] = array
    return tuple(_frame(one, found) for one, found in zip(told, results, strict=True))


def _frame(told: Any, results: Outputs) -> GoldenFrame:
    height, width = told["size_hw"]
    numbers = (told["seed"], told["unsteady"], height, width)
    if not all(type(number) is int and 0 <= number < 2**31 for number in numbers):
        raise ValueError("seed, size and count of a frame are whole numbers, 0 or more")
    if not 1 <= min(height, width) <= max(height, width) <= MOST_SIDE:
        raise ValueError(f"a frame has 1 to {MOST_SIDE} pixels a side")
    return GoldenFrame(told["seed"], (height, width), results, told["unsteady"])
