"""Prove the way from a frame to its result: frames larger than the input, in the runtime's own code.

What is resized wrongly loses objects without a word, and images of the input's own size do not show it. So
frames of 2, 3.3 and 6 times the input's size, and of other shapes, take the runtime's way. Three things are
held against definitions, and together they are the whole way:

1. *frame to input*: the runtime's `Preprocessor` against the filter's definition (`resizing`), in grey levels
   at every pixel of the input, its padding too;
2. *input to outputs*: what PyTorch finds in the frame, resized by the definition, against what the artifact
   finds in it, resized by the runtime, in labels or objects of the frame;
3. *outputs to result*: the runtime's finishing against plain formulas at some of the frame's pixels
   (`placing`).

The first and third are exact but for rounding, and hold whatever is in the frame. The second is not: an input
that differs by a grey level moves labels at edges, and a network that is not trained finds something else.
How much is PyTorch's own to say: it computes both inputs, and twice of what changes in it (`unsteady`) may
change in the artifact, on top of what the artifact's precision allows. A detector whose decisions tie is
proven by its intermediate values, and its objects in frames are not compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ParityError
from edgeseg.frames.geometry import Placement, place
from edgeseg.frames.instance import objects_in
from edgeseg.frames.preprocess import Preprocessor
from edgeseg.frames.results import FrameResult, Result
from edgeseg.frames.semantic import semantic_result
from edgeseg.graph.golden.frames import GoldenFrame
from edgeseg.graph.outputs import Outputs
from edgeseg.graph.running import Run, run_all
from edgeseg.limits import current, refuse_above
from edgeseg.metrics.object_agreement import SAME_OBJECT_IOU, Instances, match
from edgeseg.proof.intermediates import MAX_INTERMEDIATE_ERROR
from edgeseg.proof.placing import misplaced, placed, sampled_result
from edgeseg.proof.report import ParityReport
from edgeseg.proof.resizing import reference_input
from edgeseg.proof.tolerances import Tolerances
from edgeseg.scenes.enlarged import enlarged
from edgeseg.scenes.inputs import input_image
from edgeseg.spec import LARGEST_VALUE, InputType, ModelSpec

SCALES = ((2.0, 2.0), (2.2, 3.3), (6.0, 4.0))
"""Of the input's height and width: twice, wider by 3.3, taller by 6."""

MOST_LEVELS = 1.0
"""Grey levels from the definition, which is not rounded. Rounding to whole levels costs 0.5 and OpenCV's
weights of 11 bits up to 0.26: 0.76 was the largest measured. Another filter, or half a pixel, costs 14 and
more; only at exactly 2 are `linear` and `area` the same."""

TIMES_UNSTEADY = 2  # of what PyTorch itself changes: the artifact's changes are others, and as many
LEAST_UNMATCHED = 2  # objects: one that comes over the threshold and one that goes
NOT_COMPARED = (
    "of larger frames the resizing and the way back were proven; their objects were not compared, since "
    "detections prove little of this detector and its intermediate values were proven instead"
)

LEVEL_OF_FLOATS = 1e-3
"""Of a channel's largest value: what counts as a level of float32 pixels. OpenCV's float32 coordinates move
them by 6e-6 of it; another filter, or half a pixel, by 0.05 and more."""

Draw = Callable[[GoldenFrame], NDArray[Any]]
"""Makes a golden frame's pixels, (H, W, C) of the input's type."""

Find = Callable[[NDArray[Any]], FrameResult]
"""Takes a frame to its result by code of an artifact's own, which is proven in the runtime's place."""


@dataclass(frozen=True)
class Inputs:
    """Frames in the network's input.

    Attributes:
        own: (M, H, W, C) of the input's type as the runtime prepares them, or the artifact itself.
        placements: where each frame lies in it.
        results: what the artifact itself made of each frame; None where the runtime finishes.
        defined: (M, H, W, C) of that type by the filter's definition, rounded.
        levels: largest difference of `own` from the definition, in grey levels, and of which frame size.
    """

    own: NDArray[Any]
    placements: tuple[Placement, ...]
    results: tuple[Result | None, ...]
    defined: NDArray[Any]
    levels: tuple[float, tuple[int, int]]

    @classmethod
    def of(
        cls, frames: Sequence[GoldenFrame], draw: Draw, spec: ModelSpec, find: Find | None = None
    ) -> Inputs:
        """Prepare one frame after another."""
        own, placements, results, defined, levels = [], [], [], [], []
        for golden in frames:
            height, width = golden.size_hw
            refuse_above("pixels", height * width, f"a golden frame of {height}x{width}", ParityError)
            frame = draw(golden)
            found = None if find is None else find(frame)
            image = Preprocessor(spec.input)(frame).image[0].copy() if found is None else found.image
            reference = reference_input(frame, spec.input)
            own.append(image)
            placements.append(place(golden.size_hw, spec.input))
            results.append(None if found is None else found.result)
            defined.append(_rounded(reference, spec.input.dtype))
            levels.append((_levels_apart(own[-1], reference), golden.size_hw))
        return cls(np.stack(own), tuple(placements), tuple(results), np.stack(defined), max(levels))


def frame_sizes(input_hw: tuple[int, int]) -> list[tuple[int, int]]:
    """Give the sizes of the frames that an input of this size is proven by, within the limit of pixels."""
    sizes = [(round(input_hw[0] * down), round(input_hw[1] * across)) for down, across in SCALES]
    return [size for size in sizes if size[0] * size[1] <= current().pixels]


def _rounded(pixels: NDArray[np.float32], dtype: InputType) -> NDArray[Any]:
    """Round to the type, which float32 needs not."""
    if dtype == "float32":
        return pixels
    rounded: NDArray[Any] = np.floor(pixels + np.float32(0.5)).clip(0, LARGEST_VALUE[dtype]).astype(dtype)
    return rounded


def _levels_apart(own: NDArray[Any], reference: NDArray[np.float32]) -> float:
    """Give the largest difference (H, W, C) in grey levels; those of floats are parts of a peak."""
    apart = np.abs(own - reference)
    if own.dtype != np.float32:
        return float(apart.max())
    peak = np.abs(reference).max(axis=(0, 1))
    return float((apart / np.where(peak > 0, LEVEL_OF_FLOATS * peak, 1)).max())


def drawn(golden: GoldenFrame, spec: ModelSpec) -> NDArray[Any]:
    """Draw a generated frame: the picture of its seed at the input's size, enlarged."""
    return enlarged(input_image(golden.seed, spec.input, spec.graph), golden.size_hw, golden.seed)


def drawing(spec: ModelSpec) -> Draw:
    """Draw generated frames for a model."""
    return lambda golden: drawn(golden, spec)


def golden_frames(
    run: Run, spec: ModelSpec, asked: Sequence[GoldenFrame], draw: Draw
) -> tuple[GoldenFrame, ...]:
    """Compute what is to be found in frames.

    Args:
        run: what is right, such as PyTorch.
        asked: seeds and sizes, at least one; their results are not looked at.
    """
    inputs = Inputs.of(asked, draw, spec)
    batch = spec.input.batch
    outputs = run_all(run, inputs.defined, batch)
    results = [placed(found, golden.size_hw, spec) for found, golden in zip(outputs, asked, strict=True)]
    other = [i for i in range(len(asked)) if not np.array_equal(inputs.own[i], inputs.defined[i])]
    moved = run_all(run, inputs.own[other], batch) if other else []
    unsteady = dict.fromkeys(range(len(asked)), 0)
    for i, found in zip(other, moved, strict=True):
        unsteady[i] = _differing(results[i], placed(found, asked[i].size_hw, spec), spec)
    return tuple(
        GoldenFrame(golden.seed, golden.size_hw, _kept(results[i]), unsteady[i])
        for i, golden in enumerate(asked)
    )


def with_frames(
    report: ParityReport,
    run: Run,
    spec: ModelSpec,
    frames: Sequence[GoldenFrame],
    *,
    draw: Draw | None = None,
    find: Find | None = None,
) -> ParityReport:
    """Add the proof of frames to a report.

    Args:
        run: the artifact.
        frames: what is to be found, as `golden_frames` computes it.
        draw: makes the frames; generated ones by default.
        find: the artifact's own way from a frame to its result; the runtime's by default.
    """
    if not frames:
        return report
    inputs = Inputs.of(frames, draw or drawing(spec), spec, find)
    outputs = run_all(run, inputs.own, spec.input.batch)
    misplacings, results = [], []
    ways = zip(outputs, inputs.placements, inputs.results, frames, strict=True)
    for found, placement, own, golden in ways:
        result = _finished(found, placement, spec) if own is None else own
        misplacings.append(misplaced(found, result, golden.size_hw, spec))
        results.append(sampled_result(result))
    figures, failures, notes = _compare(frames, results, report)
    levels, size_hw = inputs.levels
    figures = {"frames": len(frames), "frame_resize_error_levels": levels, **figures}
    if levels > MOST_LEVELS:
        failures = [_resized_wrongly(levels, size_hw, spec), *failures]
    failures += [failure for one in misplacings for failure in one.failures()]
    figures["frame_misplaced_pixels"] = sum(one.pixels for one in misplacings)
    if spec.task == "instance":
        figures["frame_misplaced_px"] = max(one.box_px for one in misplacings)
    return dataclasses.replace(
        report,
        passed=report.passed and not failures,
        figures={**report.figures, **figures},
        failures=(*report.failures, *failures),
        notes=(*notes, *report.notes),
    )


def _compare(
    frames: Sequence[GoldenFrame], results: Sequence[Outputs], report: ParityReport
) -> tuple[dict[str, float], list[str], list[str]]:
    """Compare what was found in frames with what is to be found: figures, failures, notes."""
    if MAX_INTERMEDIATE_ERROR in report.figures or not all(golden.results for golden in frames):
        return {}, [], [NOT_COMPARED]
    expected = [golden.results for golden in frames]
    unsteady = sum(golden.unsteady for golden in frames)
    compare = _compare_labels if report.task == "semantic" else _compare_objects
    return *compare(expected, results, unsteady, report.tolerances), []


def _resized_wrongly(levels: float, size_hw: tuple[int, int], spec: ModelSpec) -> str:
    return (
        f"a frame of {size_hw[0]}x{size_hw[1]} comes into the input {levels:.3g} grey levels from what "
        f"{spec.input.resize} by the filter {spec.input.resize_filter} is, at most {MOST_LEVELS:g} allowed"
    )


def _finished(outputs: Outputs, placement: Placement, spec: ModelSpec) -> Result:
    """Finish one image's outputs as the runtime does."""
    batched = {name: array[None] for name, array in outputs.items()}
    if spec.task == "instance":
        return objects_in(batched, 0, placement, spec.thresholds)
    return semantic_result(batched, placement, head=spec.head)


def _compare_labels(
    expected: Sequence[Outputs], found: Sequence[Outputs], unsteady: int, limit: Tolerances
) -> tuple[dict[str, float], list[str]]:
    pixels = sum(side["labels"].size for side in expected)
    differing = sum(_differing_labels(*pair) for pair in zip(expected, found, strict=True))
    agreement = 1 - differing / pixels
    least = limit.label_agreement - TIMES_UNSTEADY * unsteady / pixels
    figures = {
        "frame_label_agreement": agreement,
        "frame_unsteady_labels": unsteady / pixels,
    }
    if agreement >= least:
        return figures, []
    return figures, [
        f"frame label agreement {agreement:.4g}, at least {least:.4g} needed: PyTorch's own labels change in "
        f"{unsteady / pixels:.2g} of the pixels when the input is rounded otherwise"
    ]


def _compare_objects(
    expected: Sequence[Outputs], found: Sequence[Outputs], unsteady: int, limit: Tolerances
) -> tuple[dict[str, float], list[str]]:
    pairs = [_matched(wanted, got) for wanted, got in zip(expected, found, strict=True)]
    objects = sum(len(side["scores"]) for side in expected)
    unmatched = sum(one.unmatched for one in pairs)
    share = limit.unmatched_share + limit.borderline_share
    most = TIMES_UNSTEADY * unsteady + max(LEAST_UNMATCHED, int(share * objects))
    figures = {
        "frame_objects": float(objects),
        "frame_unmatched": float(unmatched),
        "frame_unsteady_objects": float(unsteady),
        "frame_box_error_px": max(one.box_px for one in pairs),
    }
    if unmatched <= most:
        return figures, []
    return figures, [
        f"{unmatched} objects of frames are found by one side alone, of {objects}; at most {most} allowed: "
        f"in PyTorch itself {unsteady} change when the input is rounded otherwise"
    ]


@dataclass(frozen=True)
class _Matched:
    unmatched: int
    box_px: float


def _matched(expected: Outputs, found: Outputs) -> _Matched:
    """Find the objects of one side in the other: the same class, and boxes that overlap."""
    sides = [_instances(side) for side in (expected, found)]
    pairs = match(sides[0], sides[1], SAME_OBJECT_IOU)
    unmatched = len(sides[0].scores) + len(sides[1].scores) - 2 * len(pairs)
    apart = np.abs(sides[0].boxes[pairs[:, 0]] - sides[1].boxes[pairs[:, 1]])
    return _Matched(unmatched, float(apart.max(initial=0.0)))


def _instances(side: Outputs) -> Instances:
    none = np.zeros((0, 1, 1), np.float32)
    return Instances(side["boxes"], side["scores"], side["class_ids"], none)


def _differing(expected: Outputs, found: Outputs, spec: ModelSpec) -> int:
    if spec.task == "instance":
        return _matched(expected, found).unmatched
    return _differing_labels(expected, found)


def _differing_labels(expected: Outputs, found: Outputs) -> int:
    if expected["labels"].shape != found["labels"].shape:
        return int(expected["labels"].size)
    return int(np.count_nonzero(expected["labels"] != found["labels"]))


def _kept(results: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: array for name, array in results.items() if name != "order"}
