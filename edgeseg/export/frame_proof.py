"""Prove a graph by frames larger than its input, with what PyTorch finds in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from edgeseg.graph.golden.frames import GoldenFrame
from edgeseg.graph.running import Run
from edgeseg.proof.frames import SCALES, drawn, frame_sizes, golden_frames, with_frames
from edgeseg.proof.intermediates import MAX_INTERMEDIATE_ERROR
from edgeseg.proof.report import ParityReport
from edgeseg.scenes.enlarged import enlarged
from edgeseg.spec import ModelSpec

FIRST_OF_IMAGES = 1 << 20  # from here on, seeds stand for images that were given


def prove_frames(
    report: ParityReport,
    pytorch: Run,
    run: Run,
    spec: ModelSpec,
    *,
    seeds: Sequence[int],
    images: NDArray[Any] | None,
) -> tuple[ParityReport, tuple[GoldenFrame, ...]]:
    """Prove a graph on enlarged pictures, and on enlarged images if any are given.

    Args:
        report: on images of the input's own size.
        pytorch: what is right.
        run: the graph.
        seeds: of the generated pictures, taken in turn.
        images: (M, H, W, C) of the input's size and type.

    Returns:
        The report with what was found, and the frames of generated pictures, to prove by later. None where
        the report has failed already: what it says comes first.
    """
    if not report.passed:
        return report, ()
    input_hw = (spec.input.height, spec.input.width)
    sizes = frame_sizes(input_hw)
    generated = [GoldenFrame(seeds[i % len(seeds)], size, {}) for i, size in enumerate(sizes)]
    given = []
    if images is not None:
        given = [GoldenFrame(FIRST_OF_IMAGES + i % len(images), size, {}) for i, size in enumerate(sizes)]

    def draw(frame: GoldenFrame) -> NDArray[Any]:
        if images is None or frame.seed < FIRST_OF_IMAGES:
            return drawn(frame, spec)
        return enlarged(images[frame.seed - FIRST_OF_IMAGES], frame.size_hw, frame.seed)

    frames = (*generated, *given)
    if frames and MAX_INTERMEDIATE_ERROR not in report.figures:
        frames = golden_frames(pytorch, spec, frames, draw)
    report = with_frames(report, run, spec, frames, draw=draw)
    if len(sizes) < len(SCALES):
        note = (
            f"{len(SCALES) - len(sizes)} of {len(SCALES)} frames that prove the resizing have more pixels "
            "than are allowed, and were left out; edgeseg --limit pixels=... raises the limit"
        )
        report = dataclasses.replace(report, notes=(*report.notes, note))
    return report, frames[: len(generated)]
