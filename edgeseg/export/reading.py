"""Find out by images how a semantic network's output is to be read, and keep what PyTorch gave for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgeseg.errors import ExportError, ShapeError, UsageError
from edgeseg.export.head import Reading, as_planes
from edgeseg.export.meaning import decisions
from edgeseg.export.plausibility import OutputStatistics, choose_head, statistics_of
from edgeseg.export.program import RawProgram
from edgeseg.export.tracing import run_eagerly
from edgeseg.graph.running import run_all
from edgeseg.models.network import Network
from edgeseg.models.network_outputs import Output, choose, listed, outputs_of
from edgeseg.spec import LOGITS_HEAD, Head, HeadSpec, ModelSpec

BINARY = 2  # classes
MOST_NAMED = 12  # classes that a note names


@dataclass(frozen=True)
class Read:
    """What PyTorch gave.

    Attributes:
        reading: of the tensor that counts.
        raws: that tensor for each image, (C, h, w).
        notes: what a user must know of the choice.
    """

    reading: Reading
    raws: list[NDArray[Any]]
    notes: tuple[str, ...]


def read(network: Network, frames: NDArray[Any], batch: int) -> Read:
    """Run a semantic network on (M, H, W, C) images, choose among its outputs, and settle what that means.

    Raises:
        ExportError: if the network fails, or gives nothing that can be read.
        UsageError: if output or head are not what was asked for, or have to be asked for.
    """
    program = RawProgram(network).eval()
    size_hw = (frames.shape[1], frames.shape[2])
    chosen: Output | None = None
    everything: list[Output] = []

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        nonlocal chosen, everything
        output = run_eagerly(program, torch.from_numpy(images))
        if chosen is None:
            everything = outputs_of(output)
            try:
                chosen = choose(output, size_hw, network.output, images=len(images))
            except ShapeError as error:
                raise ExportError(str(error)) from error
        key = chosen.key
        tensor = as_planes(next(item.tensor for item in outputs_of(output) if item.key == key))
        return {"raw": tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()}

    raws = [outputs["raw"] for outputs in run_all(run, frames, batch)]
    assert chosen is not None
    if not all(np.isfinite(raw).all() for raw in raws):
        raise ExportError("the network's logits are not finite; its weights are broken, or not trained")
    seen = statistics_of(raws)
    kind = choose_head(seen, network.head)
    reading = Reading(
        chosen.key, HeadSpec(kind, network.head_threshold), kind == "multilabel" and seen.in_unit
    )
    _check_threshold(reading, seen.channels)
    notes = []
    if len(everything) > 1:
        notes.append(f"of the network's outputs, {listed(everything)}, {chosen.key} was taken")
    if kind != "logits":
        notes.append(_head_note(reading, seen))
    elif seen.in_unit:
        notes.append(
            f"the output was taken for logits, but all values lie within 0..1 ({seen}): if they are "
            "probabilities, say --head sigmoid or --head multilabel"
        )
    return Read(reading, raws, tuple(notes))


def coverage_notes(read: Read, class_names: Sequence[str]) -> list[str]:
    """Say which class covers all pixels of all images, and which classes occur in none."""
    counts = np.zeros(len(class_names), np.int64)
    pixels = 0
    for raw in read.raws:
        decided, _ = decisions(raw, read.reading)
        pixels += raw.shape[-2] * raw.shape[-1]
        if read.reading.head.kind == "multilabel":
            counts += decided.sum(axis=(1, 2))
        else:
            counts += np.bincount(decided.ravel(), minlength=len(counts))
    images = f"{len(read.raws)} images of the proof"
    notes = [
        f"{name} covers every pixel of all {images}"
        for name, count in zip(class_names, counts, strict=True)
        if count == pixels
    ]
    absent = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if absent:
        more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
        notes.append(f"in none of the {images}: {', '.join(absent[:MOST_NAMED])}{more}")
    return notes


def check_labels(read: Read, spec: ModelSpec) -> None:
    """Refuse class ids beyond the classes that were said to be there; raises UsageError."""
    if read.reading.head.kind != "labels":
        return
    highest, classes = max(int(raw.max()) for raw in read.raws), len(spec.class_names)
    if highest >= classes:
        raise UsageError(
            f"the network gives the label {highest}, but {classes} classes are said to be there, "
            f"0 to {classes - 1}; give all their names, --classes FILE, or their number, --num-classes N"
        )


def _check_threshold(reading: Reading, channels: int) -> None:
    kind = reading.head.kind
    if reading.head.threshold != LOGITS_HEAD.threshold and not _has_threshold(kind, channels):
        raise UsageError(
            f"a threshold decides between two classes, or of each class that may overlap; the output has "
            f"{channels} channels of the head {kind!r}: leave the threshold out"
        )


def _head_note(reading: Reading, seen: OutputStatistics) -> str:
    kind, threshold = reading.head.kind, reading.head.threshold
    read_as: str = kind
    if kind == "multilabel":
        read_as += " of probabilities" if reading.are_probabilities else " of log-odds"
    decided = f", threshold {threshold:g}" if _has_threshold(kind, seen.channels) else ""
    return f"head: {read_as}{decided} (the network gives {seen})"


def _has_threshold(kind: Head, channels: int) -> bool:
    """Tell whether a probability decides: between two classes, or of each class for itself."""
    if kind == "multilabel":
        return True
    return kind != "labels" and (channels == 1 or (channels == BINARY and kind != "sigmoid"))
