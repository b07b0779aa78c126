"""Check a detector's decisions by its own numbers: which are wrong, and which tie."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph.golden.suppression import ROUNDING, Floats, Suppressed, cut_ties, ranking_fault
from edgeseg.records import Range, Ranged
from edgeseg.spec import MAX_CLASSES, MAX_SIDE

Intermediates = Mapping[str, NDArray[Any]]
"""`edgeseg.intermediates` by name: of a batch, or, without the batch axis, of one image."""

MAX_RANKED = 100_000  # anchors, pairs or boxes; suppression compares each with each
LARGEST_LOGIT = 80.0  # sigmoids of more are 0 or 1 in float32


Weight = Annotated[float, Range(0, 1e6, above=True)]
Cells = Annotated[int, Range(1, MAX_SIDE)]
Count = Annotated[int, Range(1, MAX_RANKED)]
Overlap = Annotated[float, Range(0, 1)]
Pixels = Annotated[float, Range(-1e6, 1e6)]


@dataclass(frozen=True)
class Selection(Ranged):
    """The rules by which a Mask R-CNN decides, as `MaskRCNN` and its parts explain them.

    Attributes:
        image_hw: size that boxes are clipped to.
        grids_hw, strides_hw, cell_anchors: of each pyramid level: its cells, the pixels from one cell to the
            next, and the anchors of a cell (xyxy, around the origin).
        chosen: anchors taken from each level.
        classes: with background.
        proposals: an image.
        candidates: pairs of proposal and class that enter suppression.
        detections: an image.
        rpn_score_threshold, rpn_min_side, rpn_iou: an anchor below the first two is no proposal.
        score_threshold, min_side, iou: a detection is above the first and not below the second.
        delta_weights: the box head's deltas are divided by these.
        max_log_scale: a side grows at most by exp of this.
        min_log_scale: a side shrinks at most by exp of this; None for no limit.
    """

    image_hw: tuple[Cells, Cells]
    grids_hw: tuple[tuple[Cells, Cells], ...]
    strides_hw: tuple[tuple[Cells, Cells], ...]
    cell_anchors: tuple[tuple[tuple[Pixels, Pixels, Pixels, Pixels], ...], ...]
    chosen: tuple[Count, ...]
    classes: Annotated[int, Range(2, MAX_CLASSES)]
    proposals: Count
    candidates: Count
    detections: Count
    rpn_score_threshold: Overlap
    rpn_min_side: Annotated[float, Range(0, 1)]
    rpn_iou: Overlap
    score_threshold: Overlap
    min_side: Annotated[float, Range(0, 1)]
    iou: Overlap
    delta_weights: tuple[Weight, Weight, Weight, Weight]
    max_log_scale: Annotated[float, Range(0, 10)]
    min_log_scale: Annotated[float, Range(-10, 0)] | None = None

    def of_any_score(self) -> Selection:
        """Give the rules of a detector that reports what is as unlikely as can be."""
        return dataclasses.replace(self, score_threshold=0.0)

    def anchors(self, level: int) -> Floats:
        """Give a level's anchors (A H W, 4), all cells of the first, then all of the next."""
        (rows, columns), (down, across) = self.grids_hw[level], self.strides_hw[level]
        y, x = np.meshgrid(np.arange(rows) * down, np.arange(columns) * across, indexing="ij")
        shifts = np.stack([x, y, x, y], axis=-1)  # (H, W, 4)
        cell = np.array(self.cell_anchors[level], np.float64)
        anchors: Floats = (cell[:, None, None] + shifts).reshape(-1, 4)
        return anchors


@dataclass
class Decisions:
    """What a detector decided wrongly, one sentence each, and how many decisions tie, by what they decide."""

    faults: list[str] = field(default_factory=list)
    ties: Counter[str] = field(default_factory=Counter)

    def ranked(self, what: str, fault: str) -> bool:
        """Note a fault of a ranking; whether there is none."""
        self.faults += [f"{what} {fault}"] if fault else []
        return not fault

    def suppressed(self, what: str, boxes: Suppressed) -> None:
        """Note what suppression decided otherwise than it had to."""
        if wrong := boxes.wrong():
            real = int((boxes.scores > 0).sum())
            self.faults.append(f"suppression among {what} decides {wrong} of {real} boxes otherwise")

    def equal(self, what: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
        """Note that something is not a copy of what was chosen."""
        if not np.array_equal(found, expected):
            self.faults.append(f"{what} are not those that were chosen")


def check_decisions(values: Intermediates, rules: Selection, errors: Mapping[str, float]) -> Decisions:
    """Hold the decisions of one image against the numbers they were made from.

    Args:
        values: the intermediate ones of one image.
        errors: how far the numbers are from the reference's, absolute, by `rpn.logits`, `rpn.deltas`,
            `heads.logits` and `heads.deltas`: a decision ties if numbers as far away turn it.
    """
    found = Decisions()
    _check_proposals(found, values, rules, errors)
    if not found.faults:  # the detections are made of them
        _check_detections(found, values, rules, errors)
    return found


def _check_proposals(
    found: Decisions, values: Intermediates, rules: Selection, errors: Mapping[str, float]
) -> None:
    length = max(rules.chosen)
    scores, keep = (values[name].reshape(-1, length) for name in ("rpn.scores", "rpn.keep"))  # (L, K)
    boxes = values["rpn.boxes"].reshape(-1, length, 4).astype(np.float64)
    for level, count in enumerate(rules.chosen):
        what = f"the anchors of level {level}"
        logits, index = values[f"rpn.logits.{level}"], values[f"rpn.chosen.{level}"]
        if not found.ranked(what, ranking_fault(logits, index, count)):
            return
        found.ties["anchors at the cut"] += cut_ties(logits, index, errors["rpn.logits"])
        best = np.zeros(length)
        best[:count] = logits[index]
        deltas = values[f"rpn.deltas.{level}"].T[index].astype(np.float64)  # (k, 4)
        moved = decode(deltas, rules.anchors(level)[index], rules)
        probability = 1.0 / (1.0 + np.exp(-best[:count].clip(-LARGEST_LOGIT, LARGEST_LOGIT)))
        limits = (rules.rpn_score_threshold, rules.rpn_min_side)
        _check_boxes(
            found, what, (boxes[level, :count], scores[level, :count]), (*moved, probability), limits
        )
        if scores[level, count:].any():
            found.faults.append(f"{what} have scores where there are none")
        groups = np.zeros(length, np.int64)
        through = Suppressed(boxes[level], scores[level], keep[level], groups, rules.rpn_iou)
        found.suppressed(what, through)
        found.ties["overlaps of anchors"] += through.overlap_ties(errors["rpn.deltas"])
        found.ties["ranks of anchors"] += through.rank_ties(best, errors["rpn.logits"])
    kept, best_of_all = np.where(keep, scores, 0).ravel(), values["rpn.best"]
    if found.ranked("the proposals", ranking_fault(kept, best_of_all, rules.proposals)):
        found.ties["proposals at the cut"] += cut_ties(kept, best_of_all, errors["rpn.logits"])
        found.equal("the proposals' scores", values["proposals.scores"], kept[best_of_all])
        found.equal("the proposals' boxes", values["proposals.boxes"], values["rpn.boxes"][best_of_all])


def _check_detections(
    found: Decisions, values: Intermediates, rules: Selection, errors: Mapping[str, float]
) -> None:
    what = "the detections"
    likely = _class_scores(values)  # (P, C - 1)
    pairs, probability = values["heads.chosen"], values["heads.probabilities"].astype(np.float64)  # (M,)
    fault = ranking_fault(likely.ravel(), pairs, rules.candidates, slack=ROUNDING)
    if not found.ranked("the pairs of proposal and class", fault):
        return
    if probability.min(initial=1) >= rules.score_threshold - errors["heads.logits"]:  # the others never count
        found.ties["pairs at the cut"] += cut_ties(likely.ravel(), pairs, errors["heads.logits"])
    if (error := float(np.abs(probability - likely.ravel()[pairs]).max(initial=0))) > ROUNDING:
        found.faults.append(f"the class scores are {error:.3g} from what the class logits give")
    proposal, class_ids = np.divmod(pairs, likely.shape[1])
    deltas = values["heads.deltas"].reshape(len(likely), -1, 4)[proposal, class_ids + 1].astype(np.float64)
    around = values["proposals.boxes"][proposal].astype(np.float64)
    moved = decode(deltas / np.array(rules.delta_weights), around, rules)
    boxes, scores = values["heads.boxes"].astype(np.float64), values["heads.scores"]
    limits = (rules.score_threshold, rules.min_side)
    _check_boxes(found, what, (boxes, scores), (*moved, probability), limits)
    at_threshold = np.abs(probability - rules.score_threshold) <= errors["heads.logits"]
    found.ties["scores at the threshold"] += int(at_threshold.sum())
    through = Suppressed(boxes, scores, values["heads.keep"], class_ids, rules.iou)
    found.suppressed(what, through)
    found.ties["overlaps of detections"] += through.overlap_ties(
        errors["heads.deltas"] / min(rules.delta_weights)
    )
    found.ties["ranks of detections"] += through.rank_ties(probability, errors["heads.logits"])
    kept, order = np.where(values["heads.keep"], scores, 0), values["heads.best"]
    if found.ranked(what, ranking_fault(kept, order, rules.detections)):
        found.ties["detections at the cut"] += cut_ties(kept, order, errors["heads.logits"])
        top = kept[order]
        found.equal("the detections' scores", values["detections.scores"], top)
        chosen_boxes = np.where(top[:, None] > 0, values["heads.boxes"][order], 0)
        found.equal("the detections' boxes", values["detections.boxes"], chosen_boxes)
        chosen_classes = np.where(top > 0, class_ids[order] + 1, 0)
        found.equal("the detections' classes", values["detections.class_ids"], chosen_classes)


def decode(deltas: Floats, anchors: Floats, rules: Selection) -> tuple[Floats, Floats]:
    """Move anchors (K, 4) by deltas (K, 4) and clip them.

    Returns:
        Boxes (K, 4), and how far rounding may take each side, in pixels.
    """
    side = anchors[:, 2:] - anchors[:, :2]
    centre = anchors[:, :2] + 0.5 * side
    shift = deltas[:, :2] * side
    log_scale = np.clip(deltas[:, 2:], rules.min_log_scale, rules.max_log_scale)
    half = 0.5 * np.exp(log_scale) * side
    height, width = rules.image_hw
    limits = np.array([width, height, width, height])
    boxes = np.concatenate([centre + shift - half, centre + shift + half], axis=1).clip(0, limits)
    slack = ROUNDING * (np.abs(centre) + np.abs(shift) + half)
    return boxes, np.concatenate([slack, slack], axis=1)


def _check_boxes(
    found: Decisions,
    what: str,
    given: tuple[Floats, NDArray[Any]],
    expected: tuple[Floats, Floats, Floats],
    limits: tuple[float, float],
) -> None:
    """Note boxes that were moved by other deltas, and scores that are others or pass other limits.

    Args:
        given: boxes (K, 4) and scores (K,), 0 where a limit is not met.
        expected: boxes, what rounding may change of them, and scores.
        limits: of the score and of a side.
    """
    (boxes, scores), (moved, slack, probability), (least_score, least_side) = given, expected, limits
    error = np.abs(boxes - moved)
    if not (error <= slack).all():
        found.faults.append(f"{what} are moved by other deltas, up to {error.max():.3g} px off")
    is_real, side = scores > 0, (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
    if (error := np.abs(scores - probability)[is_real]).max(initial=0) > ROUNDING:
        found.faults.append(f"the scores of {what} are {error.max():.3g} from what their logits give")
    doubt = slack.max(axis=1, initial=0)
    must = (side >= least_side + doubt) & (probability > least_score + ROUNDING)
    may = (side >= least_side - doubt) & (probability >= least_score - ROUNDING)
    if ((must & ~is_real) | (is_real & ~may)).any():
        found.faults.append(f"{what} pass another score or another size than the least")


def _class_scores(values: Intermediates) -> Floats:
    """Probability of each proposal for each class but the background; 0 for padding: (P, C - 1)."""
    logits = values["heads.logits"].astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: Floats = powers[:, 1:] / powers.sum(axis=1, keepdims=True)
    return np.where(values["proposals.scores"][:, None] > 0, scores, 0.0)
