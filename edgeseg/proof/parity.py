"""Compare what PyTorch and what an artifact computed for the same images: the same, or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph.outputs import Outputs, instances_of, label_count, labels_of
from edgeseg.metrics.label_agreement import LabelErrors
from edgeseg.metrics.object_agreement import ObjectErrors
from edgeseg.proof.report import PYTORCH, ParityReport
from edgeseg.proof.tolerances import FP32, Tolerances
from edgeseg.proof.underflow import logits_underflow, sentence
from edgeseg.spec import ModelSpec

LEAST_BORDERLINE = 2
LEAST_DIFFERING = 1
"""Pixels whose label may differ, however few are compared, where two classes tie to the last digit and logits
agree: of the few hundred samples that a model keeps, one pixel is more than a share of 0.001."""
TIE = 1e-5  # between the two best classes, of the image's largest logit


def compare(
    reference: Sequence[Outputs],
    candidate: Sequence[Outputs],
    spec: ModelSpec,
    *,
    tolerances: Tolerances = FP32,
    max_detections: int | None = None,
    notes: Sequence[str] = (),
    reference_name: str = PYTORCH,
) -> ParityReport:
    """Compare the outputs of an artifact with those expected.

    Args:
        reference: what is right, one item an image, such as what PyTorch computed. Semantic: `logits`,
            `labels` or both; what both sides have is compared. Masks of instances may be there for the first
            detections alone.
        candidate: what the artifact computed.
        max_detections: where detections are cut off; None if unknown.
        notes: carried into the report.
        reference_name: of what computed `reference`.
    """
    underflow = ""
    if spec.task == "semantic":
        figures, failures = _semantic(reference, candidate, spec, tolerances)
        more_notes: list[str] = []
        if failures and (underflow := _underflow(reference, candidate, spec, tolerances)):
            failures = [underflow]
    else:
        figures, failures, more_notes = _instance(
            reference, candidate, spec, tolerances, max_detections, reference_name=reference_name
        )
    return ParityReport(
        task=spec.task,
        images=len(reference),
        passed=not failures,
        figures=figures,
        failures=tuple(failures),
        notes=(*notes, *more_notes),
        tolerances=tolerances,
        comparable=not underflow,
        reference=reference_name,
    )


def _semantic(
    reference: Sequence[Outputs], candidate: Sequence[Outputs], spec: ModelSpec, limit: Tolerances
) -> tuple[dict[str, float], list[str]]:
    errors = LabelErrors(label_count(spec))
    only_ties = True
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
        only_ties = only_ties and _differ_in_ties(expected, labels[0] != labels[1])
    figures = {"label_agreement": errors.label_agreement, "class_overlap": errors.class_overlap}
    if errors.relative_logit_errors:
        largest, mean = np.array(errors.relative_logit_errors).T
        figures["max_relative_logit_error"] = float(largest.max())
        figures["mean_relative_logit_error"] = float(mean.mean())
    limited = ("max" if spec.graph.crf_stride is None else "mean") + "_relative_logit_error"
    failures = _above(figures, limited, limit.relative_logit)
    logits_agree = limited in figures and not failures
    if not (logits_agree and only_ties and errors.differing <= LEAST_DIFFERING):
        failures += _below(figures, "label_agreement", limit.label_agreement)
        failures += _below(figures, "class_overlap", limit.class_overlap)
    return figures, failures


def _differ_in_ties(expected: Outputs, differing: NDArray[np.bool_]) -> bool:
    """Tell whether the two best classes tie in the reference at every pixel (H, W) whose label differs."""
    if not differing.any():
        return True
    logits = expected.get("logits")
    if logits is None or logits.shape[1:] != differing.shape:
        return False
    gap = np.diff(np.sort(logits, axis=0)[-2:], axis=0)  # (1, H, W)
    return bool((gap[:, differing] <= TIE * np.abs(logits).max()).all())


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
    *,
    reference_name: str,
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
            f"{errors.borderline} detections appear or vanish at the cut, {reference_name} finds "
            f"{errors.detections}"
        )
    notes = []
    if errors.detections == 0:
        notes.append(f"{reference_name} found nothing in these images: boxes and masks were not compared")
    elif errors.matched + errors.missed == 0:
        notes.append("every detection lies on the score threshold: boxes and masks were not compared")
    return figures, failures, notes


def _above(figures: Mapping[str, float], name: str, limit: float) -> list[str]:
    ok = name not in figures or figures[name] <= limit
    return [] if ok else [f"{name.replace('_', ' ')} {figures[name]:.3g}, at most {limit:g} allowed"]


def _below(figures: Mapping[str, float], name: str, limit: float) -> list[str]:
    ok = name not in figures or figures[name] >= limit
    return [] if ok else [f"{name.replace('_', ' ')} {figures[name]:.4g}, at least {limit:g} needed"]
