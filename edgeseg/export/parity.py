"""Turn what PyTorch and what an artifact computed for the same images into a verdict: the same, or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ParityError
from edgeseg.export.underflow import logits_underflow, sentence
from edgeseg.metrics.label_agreement import LabelErrors
from edgeseg.metrics.object_agreement import MATCH_IOU, Instances, ObjectErrors
from edgeseg.records import to_plain
from edgeseg.spec import LOGITS_HEAD, HeadSpec, ModelSpec, Precision, Task

LEAST_BORDERLINE = 2

Outputs = Mapping[str, NDArray[Any]]
"""Graph outputs for one image, without the batch axis."""

Run = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[Any]]]
"""Runs an artifact on one batch: uint8 (N, H, W, 3) BGR -> outputs by name."""


@dataclass(frozen=True)
class Tolerances:
    """How far an artifact may be from PyTorch. The defaults are for float32.

    Float32 networks of a hundred layers, summed in another order, differ by 1e-6 to 1e-4; a wrong operator,
    weight or attribute differs by 1e-2 and more. The defaults lie between.

    Attributes:
        relative_logit: of the image's largest logit; at every pixel, but in the mean of all where the graph
            has a CRF: a pixel between two classes falls to either, and its logits with it.
        label_agreement: least share of equal labels; only pixels where two classes all but tie differ.
        class_overlap: least, see `metrics.label_agreement`.
        unmatched_share: of the detections, missed or extra. One proposal whose IoU equals the suppression
            threshold to the last digit may go either way and take a detection with it.
        borderline_share: of the detections, only on one side with scores at the cut (always allowed:
            LEAST_BORDERLINE, one that goes and one that comes).
        score: 0..1. Also how close to the cut a detection is borderline.
        box_px: on top of IoU > `match_iou`.
        mask: mean absolute difference of a mask's probabilities. Also how close to 0.5 a pixel is undecided.
        mask_iou: least.
        match_iou: boxes of the same detection overlap more.
        differing_share: of the matched detections, further apart than `score`, `box_px`, `mask` or `mask_iou`
            allow. Detections start from the best proposals, a ranking: rounding swaps two of them now and
            then, and the same object is described from another start, as well but not alike.
    """

    relative_logit: float = 1e-3
    label_agreement: float = 0.999
    class_overlap: float = 0.98
    unmatched_share: float = 0.01
    borderline_share: float = 0.1
    score: float = 1e-3
    box_px: float = 0.5
    mask: float = 1e-3
    mask_iou: float = 0.98
    match_iou: float = MATCH_IOU
    differing_share: float = 0.0


FP32 = Tolerances()

FP16 = Tolerances(
    relative_logit=2e-2,
    label_agreement=0.995,
    class_overlap=0.96,
    unmatched_share=0.05,
    borderline_share=0.2,
    score=2e-2,
    box_px=4.0,
    mask=2e-2,
    mask_iou=0.9,
    match_iou=0.9,
    differing_share=0.05,
)
"""Float16 keeps 11 bits: each layer adds 2**-11 of its values, a hundred of them some 1e-2 of the logits."""

INT8 = Tolerances(
    relative_logit=1.0,
    label_agreement=0.9,
    class_overlap=0.6,
    unmatched_share=0.25,
    borderline_share=1.0,
    score=0.5,
    box_px=200.0,
    mask=0.3,
    mask_iou=0.5,
    match_iou=0.5,
)
"""Int8 keeps 8 bits, chosen for images like those calibrated on; generated pictures are none, and single
boxes and pixels move. What int8 costs the task is judged where its layers are chosen (`--max-drop`); this
proof tells a quantised network from a broken one, in which a fourth of the objects or a tenth of the pixels
are others.
"""

TOLERANCES: Mapping[Precision, Tolerances] = {"fp32": FP32, "fp16": FP16, "int8": INT8}


@dataclass(frozen=True)
class ParityReport:
    """The verdict, its figures, and what they were held against.

    Attributes:
        passed: whether every figure is within tolerance.
        figures: errors by name, such as `max_relative_logit_error` or `matched`.
        failures: one sentence for each figure beyond tolerance, or other finding that failed.
        notes: what a reader must know to judge the figures.
        comparable: whether PyTorch's own outputs are numbers that can be compared; if not, a failure says
            nothing of the artifact.
    """

    task: Task
    images: int
    passed: bool
    figures: Mapping[str, float]
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tolerances: Tolerances = FP32
    comparable: bool = True

    def to_plain(self) -> dict[str, Any]:
        """Give the report as JSON values."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    def to_json(self) -> str:
        """Write as JSON with sorted keys: equal reports give equal bytes."""
        return json.dumps(self.to_plain(), sort_keys=True)

    def raise_if_failed(self, what: str) -> None:
        """Raise ParityError with the failures on one line, as the answer to "`what` ..."."""
        if not self.passed:
            verdict = "does not compute what PyTorch computes" if self.comparable else "cannot be proven"
            raise ParityError(f"{what} {verdict}: {'; '.join(self.failures)}")


def compare(
    reference: Sequence[Outputs],
    candidate: Sequence[Outputs],
    spec: ModelSpec,
    *,
    tolerances: Tolerances = FP32,
    max_detections: int | None = None,
    notes: Sequence[str] = (),
) -> ParityReport:
    """Judge the outputs of an artifact.

    Args:
        reference: what PyTorch computed, one item an image. Semantic: `logits`, `labels` or both; what both
            sides have is compared. Masks of instances may be there for the first detections alone.
        candidate: what the artifact computed.
        max_detections: where detections are cut off; None if unknown.
        notes: carried into the report.
    """
    underflow = ""
    if spec.task == "semantic":
        figures, failures = _semantic(reference, candidate, spec, tolerances)
        more_notes: list[str] = []
        if failures and (underflow := _underflow(reference, candidate, spec, tolerances)):
            failures = [underflow]
    else:
        figures, failures, more_notes = _instance(reference, candidate, spec, tolerances, max_detections)
    return ParityReport(
        task=spec.task,
        images=len(reference),
        passed=not failures,
        figures=figures,
        failures=tuple(failures),
        notes=(*notes, *more_notes),
        tolerances=tolerances,
        comparable=not underflow,
    )


def run_all(run: Run, images: NDArray[np.uint8], batch: int) -> list[dict[str, NDArray[Any]]]:
    """Run an artifact of a fixed batch size on any number of images.

    Args:
        images: (M, H, W, 3) uint8 BGR; the last batch is filled with its last image.

    Returns:
        The outputs of each image, without the batch axis.
    """
    results: list[dict[str, NDArray[Any]]] = []
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
        outputs = run(filled)
        results += [{name: array[i] for name, array in outputs.items()} for i in range(len(part))]
    return results


def labels_of(outputs: Outputs, has_labels: bool, head: HeadSpec = LOGITS_HEAD) -> NDArray[np.uint8]:
    """Give one image's labels (H, W): its own, or those of its logits at their stride.

    Classes that may overlap give a map each, one below the other, (C * H, W), of the class where it is and of
    the number of classes where it is not; see `label_count`.
    """
    if has_labels:
        labels: NDArray[np.uint8] = outputs["labels"]
        return labels
    logits: NDArray[np.float32] = outputs["logits"]
    if head.kind == "multilabel":
        classes = len(logits)
        class_ids = np.arange(classes, dtype=np.uint8).reshape(-1, 1, 1)
        maps: NDArray[np.uint8] = np.where(logits > 0, class_ids, np.uint8(classes))  # (C, h, w)
        flat: NDArray[np.uint8] = maps.reshape(-1, logits.shape[2])
        return flat
    best: NDArray[np.uint8] = logits.argmax(axis=0).astype(np.uint8)
    return best


def label_count(spec: ModelSpec) -> int:
    """Count the labels that `labels_of` gives, of a semantic spec."""
    return max(len(spec.class_names) + (spec.head.kind == "multilabel"), 2)


def instances_of(outputs: Outputs) -> Instances:
    """Take the detections out of one image's outputs; score 0 is padding."""
    found = ~(outputs["scores"] <= 0)
    masks = outputs["masks"]
    return Instances(
        boxes=outputs["boxes"][found],
        scores=outputs["scores"][found],
        class_ids=outputs["class_ids"][found].astype(np.int64),
        masks=masks[found[: len(masks)]],
    )


def _semantic(
    reference: Sequence[Outputs], candidate: Sequence[Outputs], spec: ModelSpec, limit: Tolerances
) -> tuple[dict[str, float], list[str]]:
    errors = LabelErrors(label_count(spec))
    for expected, found in zip(reference, candidate, strict=True):
        if "logits" in expected and "logits" in found:
            if expected["logits"].shape != found["logits"].shape:
                return {}, [f"logits are {found['logits'].shape}, not {expected['logits'].shape}"]
            errors.add_logits(expected["logits"], found["logits"])
        has_labels = "labels" in expected and "labels" in found
        labels = [labels_of(side, has_labels, spec.head) for side in (expected, found)]
        if labels[0].shape != labels[1].shape:
            return {}, [f"labels are {labels[1].shape}, not {labels[0].shape}"]
        errors.add_labels(labels[0], labels[1])
    figures = {"label_agreement": errors.label_agreement, "class_overlap": errors.class_overlap}
    if errors.relative_logit_errors:
        largest, mean = np.array(errors.relative_logit_errors).T
        figures["max_relative_logit_error"] = float(largest.max())
        figures["mean_relative_logit_error"] = float(mean.mean())
    judged = ("max" if spec.graph.crf_stride is None else "mean") + "_relative_logit_error"
    failures = [
        *_above(figures, judged, limit.relative_logit),
        *_below(figures, "label_agreement", limit.label_agreement),
        *_below(figures, "class_overlap", limit.class_overlap),
    ]
    return figures, failures


def _underflow(
    reference: Sequence[Outputs], candidate: Sequence[Outputs], spec: ModelSpec, limit: Tolerances
) -> str:
    """Say that logits underflow if only images in which they do fail; nothing otherwise."""
    pairs = list(zip(reference, candidate, strict=True))
    tiny = [pair for pair in pairs if logits_underflow(*pair)]
    others = [pair for pair in pairs if not logits_underflow(*pair)]
    sides = [pair[0] for pair in others], [pair[1] for pair in others]
    if not tiny or (others and _semantic(*sides, spec, limit)[1]):
        return ""
    return sentence("the logits", max(float(np.abs(expected["logits"]).max()) for expected, _ in tiny))


def _instance(
    reference: Sequence[Outputs],
    candidate: Sequence[Outputs],
    spec: ModelSpec,
    limit: Tolerances,
    max_detections: int | None,
) -> tuple[dict[str, float], list[str], list[str]]:
    errors = ObjectErrors(spec.thresholds.score, limit.score, limit.mask, max_detections, limit.match_iou)
    for expected, found in zip(reference, candidate, strict=True):
        errors.add(instances_of(expected), instances_of(found))
    differing = sum(
        pair.score > limit.score
        or pair.box_px > limit.box_px
        or pair.mask > limit.mask
        or pair.mask_iou < limit.mask_iou
        for pair in errors.pairs
    )
    figures: dict[str, float] = {
        "detections": errors.detections,
        "matched": errors.matched,
        "differing": differing,
        "missed": errors.missed,
        "extra": errors.extra,
        "borderline": errors.borderline,
        "max_score_error": errors.max_score,
        "max_box_error_px": errors.max_box_px,
        "max_mask_error": errors.max_mask,
        "min_mask_iou": errors.min_mask_iou,
    }
    allowed = int(limit.unmatched_share * errors.detections)
    failures = []
    if differing > int(limit.differing_share * errors.matched):
        failures = [
            *_above(figures, "max_score_error", limit.score),
            *_above(figures, "max_box_error_px", limit.box_px),
            *_above(figures, "max_mask_error", limit.mask),
            *_below(figures, "min_mask_iou", limit.mask_iou),
        ]
    if errors.missed + errors.extra > allowed:
        failures.append(
            f"{errors.missed} of {errors.detections} detections missed and {errors.extra} extra, "
            f"at most {allowed} allowed"
        )
    if errors.borderline > max(LEAST_BORDERLINE, int(limit.borderline_share * errors.detections)):
        failures.append(
            f"{errors.borderline} detections appear or vanish at the cut, PyTorch finds {errors.detections}"
        )
    notes = []
    if errors.detections == 0:
        notes.append("PyTorch found nothing in these images: boxes and masks were not compared")
    elif errors.matched + errors.missed == 0:
        notes.append("every detection lies on the score threshold: boxes and masks were not compared")
    return figures, failures, notes


def _above(figures: Mapping[str, float], name: str, limit: float) -> list[str]:
    ok = name not in figures or figures[name] <= limit
    return [] if ok else [f"{name.replace('_', ' ')} {figures[name]:.3g}, at most {limit:g} allowed"]


def _below(figures: Mapping[str, float], name: str, limit: float) -> list[str]:
    ok = name not in figures or figures[name] >= limit
    return [] if ok else [f"{name.replace('_', ' ')} {figures[name]:.4g}, at least {limit:g} needed"]
