"""Prove a semantic network's graph by what PyTorch and the graph gave for the same images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgeseg.export.head import logits_from
from edgeseg.export.meaning import MeaningErrors
from edgeseg.export.program import SemanticProgram
from edgeseg.export.reading import Read, coverage_notes
from edgeseg.frames.geometry import Placement
from edgeseg.frames.upsample import upsampled_labels
from edgeseg.graph.outputs import Outputs
from edgeseg.metrics.label_agreement import LabelErrors
from edgeseg.proof.report import ParityReport
from edgeseg.spec import ModelSpec

ENLARGED = 2  # times the input's sides, at which the cost of labels is measured
PERCENT = 100.0
HEAVY_BYTES = 1 << 24  # of an image's logits: milliseconds to copy and to pick labels from


def finish_all(program: SemanticProgram, read: Read, frames: NDArray[Any]) -> list[dict[str, NDArray[Any]]]:
    """Finish in PyTorch what the network gave for (M, H, W, C) frames; the program's outputs of each."""
    results = []
    with torch.inference_mode():
        for raw, frame in zip(read.raws, frames, strict=True):
            outputs = program.finish(torch.from_numpy(raw)[None], torch.from_numpy(frame)[None])
            named = zip(program.output_names, outputs, strict=True)
            results.append({name: tensor[0].numpy() for name, tensor in named})
    return results


def with_meaning(report: ParityReport, read: Read, found: Sequence[Outputs], spec: ModelSpec) -> ParityReport:
    """Hold the graph's outputs against what the network's own output means, and add the notes on both.

    Args:
        found: what the graph gave for the images of `read`. Where a CRF has refined its logits, those before
            it are held against the meaning, as PyTorch computes them.
    """
    errors = MeaningErrors()
    for raw, outputs in zip(read.raws, found, strict=True):
        if spec.head.kind == "labels":
            errors.add_labels(raw, outputs["labels"])
        elif spec.graph.crf_stride is None:
            errors.add(raw, outputs["logits"], read.reading)
        else:
            logits = logits_from(torch.from_numpy(raw)[None], read.reading)[0]
            errors.add(raw, logits.numpy(), read.reading)
    failures = (*report.failures, *errors.failures(report.tolerances.label_agreement))
    notes = [*report.notes, *read.notes, *coverage_notes(read, spec.class_names)]
    if spec.output_kind == "labels" and spec.head.kind != "labels":
        notes.append(enlarging_note(found, len(spec.class_names)))
    elif spec.output_kind == "logits" and (size := found[0]["logits"].nbytes) > HEAVY_BYTES:
        notes.append(
            f"the logits of an image take {size / 1e6:.0f} MB: on a GPU, whose memory they have to leave, "
            "--output-kind labels is faster, and costs nothing on frames of the input's size"
        )
    return dataclasses.replace(
        report,
        figures={**report.figures, **errors.figures()},
        failures=failures,
        passed=not failures,
        notes=tuple(notes),
    )


def enlarging_note(outputs: Sequence[Outputs], classes: int) -> str:
    """Say what repeating the pixels of `labels` (H, W) costs against upsampling `logits` (C, h, w)."""
    errors = LabelErrors(max(classes, 2))
    for item in outputs:
        height, width = item["labels"].shape
        frame_hw = (ENLARGED * height, ENLARGED * width)
        placement = Placement(frame_hw, (height, width), 0, 0, height, width)
        exact = upsampled_labels(np.ascontiguousarray(item["logits"]), placement)
        errors.add_labels(exact, placement.map_to_frame(item["labels"]))
    return (
        f"labels at the input's size: on frames of {ENLARGED} times its sides "
        f"{PERCENT * (1 - errors.label_agreement):.2g} % of the pixels differ from the upsampled logits', "
        f"which costs {PERCENT * (1 - errors.class_overlap):.2g} points of class overlap; "
        "--output-kind logits costs none"
    )
