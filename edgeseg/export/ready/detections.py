"""Run a ready detector, and bring what it finds to edgeseg's own outputs: the truth its graph is held to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.errors import UsageError
from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.export.ready.rounding import without_ties
from edgeseg.graph.detections import (
    COORDINATES,
    FIRST,
    MASK_SIZE,
    ChosenOutputs,
    DetectionOutputs,
    chosen_outputs,
    match_detections,
)
from edgeseg.graph.outputs import Outputs
from edgeseg.models.network_outputs import outputs_of
from edgeseg.palette import means_background
from edgeseg.proof.parity import compare
from edgeseg.proof.report import ParityReport
from edgeseg.spec import ModelSpec

FIRST_NOTE = (
    f"label 1 is taken for the first class, 0 for the background; --output-key {FIRST}=0 says otherwise"
)


class ReadyDetector(nn.Module):
    """Camera image to detections.

    Args:
        preprocessing: makes the network's input.
        network: gives boxes, scores, labels and masks in any of the forms of `DetectionOutputs`.
        chosen: names of its outputs, as `chosen_outputs` reads them.
    """

    output_names = ("boxes", "scores", "class_ids", "masks")

    def __init__(self, preprocessing: nn.Module, network: ReadyNetwork, chosen: str | None) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.network = network
        self.chosen = ChosenOutputs() if chosen is None else chosen_outputs(chosen)
        self.matched: DetectionOutputs | None = None

    @property
    def layout(self) -> DetectionOutputs:
        """How the outputs are laid out, as was seen where something was found.

        Raises:
            UsageError: if nothing was found in any image.
        """
        if self.matched is None:
            raise UsageError(
                "the network found nothing in any image, so that nothing tells what its outputs are: give it "
                "images in which there is something, --images FOLDER"
            )
        return self.matched

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Find the objects in one uint8 BGR (1, H, W, 3); returns one tensor for each of `output_names`."""
        outputs = outputs_of(self.network(self.preprocessing(image)))
        tensors = [output.tensor for output in outputs]
        if self.matched is None and all(tensor.numel() for tensor in tensors):
            named = [(output.key, output.tensor.numpy()) for output in outputs]
            self.matched = match_detections(named, (image.shape[1], image.shape[2]), self.chosen)
        if self.matched is None:
            return _nothing()
        _check_first_label(tensors, self.matched)
        return _finished(tensors, self.matched)


class RawDetector(nn.Module):
    """Camera image to a detector's own outputs, for tracing."""

    def __init__(self, detector: ReadyDetector) -> None:
        super().__init__()
        self.preprocessing = detector.preprocessing
        self.network = detector.network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Take uint8 BGR (1, H, W, 3)."""
        return tuple(output.tensor for output in outputs_of(self.network(self.preprocessing(image))))


def check_class_ids(results: Sequence[Outputs], spec: ModelSpec) -> None:
    """Refuse names that do not begin with the background, and labels beyond them; raises UsageError."""
    names = spec.class_names
    if not means_background(names[0]):
        raise UsageError(
            f"the names of a detector's classes begin with the background, got {names[0]!r}: put it first"
        )
    highest = max((int(outputs["class_ids"].max(initial=0)) for outputs in results), default=0)
    if highest >= len(names):
        raise UsageError(
            f"the network finds class {highest}, counted from the background, which is 0, but {len(names)} "
            "names are given: name all classes, the background first, in the order of its labels"
        )


def settled(
    report: ParityReport,
    program: nn.Module,
    expected: Sequence[Outputs],
    found: Sequence[Outputs],
    spec: ModelSpec,
    *,
    run_as_written: Callable[[], Sequence[Outputs]],
) -> tuple[ParityReport, frozenset[int]]:
    """Judge a ready detector's graph again where it hangs on rounding, and say what was assumed of it.

    Detections of any score are compared where none is above the threshold: else nothing would be proven.
    The reports of other programs stay as they are.

    Returns:
        The report, and the numbers of the images that it is of; see `without_ties`.
    """
    if not isinstance(program, ReadyDetector):
        return report, frozenset(range(len(expected)))
    notes = [FIRST_NOTE] if program.layout.assumed else []
    if not report.figures["detections"]:
        notes.append(
            f"nothing scores more than {spec.thresholds.score:g}: detections of any score were compared"
        )
        spec = dataclasses.replace(spec, thresholds=dataclasses.replace(spec.thresholds, score=0.0))
        limits, name = report.tolerances, report.reference
        report = compare(expected, found, spec, tolerances=limits, reference_name=name)
    report, steady = without_ties(report, expected, found, run_as_written, spec)
    return dataclasses.replace(report, notes=(*report.notes, *notes)), steady


def _check_first_label(tensors: Sequence[Tensor], layout: DetectionOutputs) -> None:
    """Refuse a label 0 where it was taken for the background."""
    if not layout.assumed:
        return
    boxes = tensors[layout.boxes]
    scores = boxes[..., COORDINATES] if layout.scores is None else tensors[layout.scores]
    if bool((tensors[layout.labels][scores > 0] == 0).any()):
        raise UsageError(
            f"the network gives the label 0 to an object: say --output-key {FIRST}=0 if that is its first "
            f"class, {FIRST}=1 if it is the background"
        )


def _nothing() -> tuple[Tensor, ...]:
    empty = torch.zeros(1, 0)
    masks = torch.zeros(1, 0, MASK_SIZE, MASK_SIZE)
    return torch.zeros(1, 0, COORDINATES), empty, empty.to(torch.int64), masks


def _finished(tensors: Sequence[Tensor], layout: DetectionOutputs) -> tuple[Tensor, ...]:
    """Bring a detector's outputs to (1, D, ..)."""

    def take(index: int) -> Tensor:
        return tensors[index][0] if layout.batched else tensors[index]

    rows = take(layout.boxes).float()
    boxes = rows[:, :COORDINATES]
    scores = rows[:, COORDINATES] if layout.scores is None else take(layout.scores).float()
    labels = take(layout.labels).to(torch.int64).clamp(min=0)
    class_ids = labels + (1 - layout.first_label)
    masks = take(layout.masks).float()
    if layout.are_logits:
        masks = masks.sigmoid()
    if layout.classes:
        masks = masks[torch.arange(len(masks)), labels]
    elif layout.channel:
        masks = masks[:, 0]
    if layout.full_size:
        masks = _within(masks, boxes)
    return boxes[None], scores.clamp(min=0)[None], class_ids[None], masks[None]


def _within(masks: Tensor, boxes: Tensor) -> Tensor:
    """Sample masks (D, H, W) of the whole image at the centres of M x M cells of their boxes."""
    cells = torch.from_numpy((np.arange(MASK_SIZE, dtype=np.float32) + 0.5) / MASK_SIZE)
    height, width = masks.shape[-2:]
    x1, y1, x2, y2 = boxes.unbind(dim=1)
    x = x1[:, None] + cells * (x2 - x1)[:, None]  # (D, M), pixels from the image's edge
    y = y1[:, None] + cells * (y2 - y1)[:, None]
    grid = torch.stack(
        [
            (2 * x / width - 1)[:, None, :].expand(-1, MASK_SIZE, -1),
            (2 * y / height - 1)[:, :, None].expand(-1, -1, MASK_SIZE),
        ],
        dim=-1,
    )
    if not len(masks):
        return masks.new_zeros((0, MASK_SIZE, MASK_SIZE))
    return F.grid_sample(masks[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
