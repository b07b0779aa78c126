"""Compare what a detector computes between image and detections, where its decisions tie.

A detector that is not trained, or that looks at pictures unlike those it was trained on, is equally sure of
a thousand things. Which of them it finds is decided by the last digit, and differs with the processor. So:

1. *numbers*: maps, objectness and deltas of the same image, class logits and deltas of the same proposals,
   and masks of the same boxes are compared with the reference's, as logits are. They are sums, of which
   rounding changes little: a sum of n terms, in any order, is off by about sqrt(n) u of its terms' size, with
   u = 2**-24 (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 2.8). The longest here,
   12,544 terms, is off by 7e-6, and a hundred layers by 7e-4 even if all errors add up: `relative_logit`;
2. *decisions*: anchors, proposals and detections are held against the artifact's own numbers (`selection`);
3. *ties*: decisions that numbers turn which are as far away as the reference's are. Other detections without
   a tie are other detections.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph.golden.selection import Intermediates, Selection, check_decisions
from edgeseg.graph.passes.given import ComputeFrom
from edgeseg.graph.passes.intermediates import detection_values
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import Run, open_run
from edgeseg.graph.view import name_of
from edgeseg.intermediates import DETECTIONS
from edgeseg.proof.report import ParityReport
from edgeseg.proof.tolerances import FP32, Tolerances
from edgeseg.proof.underflow import underflows

if TYPE_CHECKING:
    import onnx_ir as ir

NUMBERS = {  # by the value's name, without its level
    "maps": "feature maps",
    "rpn.logits": "objectness",
    "rpn.deltas": "proposals' deltas",
    "heads.logits": "class logits of the same proposals",
    "heads.deltas": "box deltas of the same proposals",
    "masks": "masks of the same boxes",
}
GIVEN = ("proposals.boxes", "proposals.scores", *DETECTIONS)  # what the heads' numbers are of
ROWS = ("rpn.keep", "heads.logits", "heads.deltas")  # whose first axis is images times something
MAX_INTERMEDIATE_ERROR = "max_stage_error"  # a figure of reports: the largest relative error of such a value
GOLDEN_REGIONS = 16  # boxes that the heads' golden numbers are of
GOLDEN_NUMBERS = 256  # that are kept of each array

Reference = Callable[[NDArray[Any], Intermediates], Intermediates]
"""Computes the numbers of a batch (N, H, W, C): those of GIVEN, from another's intermediate values."""


@dataclass
class IntermediatesProof:
    """What the proof found.

    Attributes:
        failures: one sentence each; the first intermediate value that differs, or decisions that are wrong.
        errors: largest relative error of each of NUMBERS.
        ties: decisions that tie, by what they decide.
        comparable: False if the first intermediate value that differs underflows in the reference, too.
    """

    failures: list[str] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    ties: Counter[str] = field(default_factory=Counter)
    comparable: bool = True

    def followed_by(self, other: IntermediatesProof) -> IntermediatesProof:
        """Join the proof of what this one is the reference of: errors add up, ties are mostly the same."""
        errors = {kind: self.errors.get(kind, 0.0) + other.errors.get(kind, 0.0) for kind in NUMBERS}
        failures, comparable = [*self.failures, *other.failures], self.comparable and other.comparable
        return IntermediatesProof(failures, errors, self.ties | other.ties, comparable)

    def settle(self, report: ParityReport) -> ParityReport:
        """Give the verdict on detections anew, knowing what their intermediate values are worth."""
        tied = sum(self.ties.values())
        kind = max(self.errors, key=self.errors.__getitem__)
        largest = f"largest relative error {self.errors[kind]:.1e}, {NUMBERS[kind]}"
        agree = f"every intermediate value agrees ({largest})"
        failures, notes = [*report.failures, *self.failures], list(report.notes)
        if not self.failures and not report.failures:
            notes.append(f"candidates of any score were compared: {agree}")
        elif not self.failures and not tied:
            failures.append(f"{agree} and no decision ties, yet the detections differ")
        elif not self.failures:
            failures = []
            kinds = ", ".join(f"{name} {count}" for name, count in self.ties.most_common() if count)
            notes += [
                f"other detections ({'; '.join(report.failures)}), but {agree}, and decisions tie within "
                f"rounding: {tied} ({kinds}), as they do in a detector that is not trained, or far from what "
                "it was trained on"
            ]
        figures = {**report.figures, MAX_INTERMEDIATE_ERROR: self.errors[kind], "ties": tied}
        return dataclasses.replace(
            report,
            passed=not failures,
            figures=figures,
            failures=tuple(failures),
            notes=tuple(notes),
            comparable=self.comparable,
        )


@dataclass(frozen=True)
class IntermediatesGate:
    """What intermediate values are held against.

    Attributes:
        rules: by which the detector decides.
        batch: images a run.
        limit: `relative_logit` of it.
    """

    rules: Selection
    batch: int
    limit: Tolerances = FP32

    def prove(self, run: Run, reference: Reference, images: NDArray[Any]) -> IntermediatesProof:
        """Prove an artifact that exposes its intermediate values.

        Args:
            run: the artifact, with the outputs of `ExposeIntermediates`.
            reference: what its numbers are compared with.
            images: (M, H, W, C).
        """
        proof = IntermediatesProof()
        for first in range(0, len(images), self.batch):
            part = np.resize(images[first : first + self.batch], (self.batch, *images.shape[1:]))
            found = with_detections(run(part))
            expected = reference(part, found)
            for image in range(self.batch):
                wanted, own = (of_image(side, image, self.batch) for side in (expected, found))
                self._compare(proof, wanted, own, own)
        return proof

    def prove_golden(
        self, run: Run, heads: Reference, golden: Sequence[Intermediates], images: NDArray[Any]
    ) -> IntermediatesProof:
        """Prove a portable model by what PyTorch computed of some boxes, without PyTorch.

        Args:
            run: the model, with the outputs of `ExposeIntermediates`.
            heads: the model as it computes from given boxes, `portable_reference`.
            golden: of each picture, as `golden_numbers` samples them.
            images: those pictures (M, H, W, C).
        """
        proof = IntermediatesProof()
        for expected, image in zip(golden, images, strict=True):
            part = np.repeat(image[None], self.batch, axis=0)
            found = sampled(heads(part, regions(expected["proposals.boxes"], self.rules, self.batch)))
            self._compare(proof, expected, found, of_image(with_detections(run(part)), 0, self.batch))
        return proof

    def _compare(
        self, proof: IntermediatesProof, expected: Intermediates, found: Intermediates, decided: Intermediates
    ) -> None:
        """Compare the numbers of one image, and check its decisions if they agree."""
        if proof.failures:
            return
        absolute = compare_numbers(proof, expected, found, self.limit.relative_logit)
        if not proof.failures:
            decisions = check_decisions(decided, self.rules, absolute)
            proof.failures += decisions.faults
            proof.ties += decisions.ties


def portable_reference(model: ir.Model) -> Reference:
    """Let a portable model compute the numbers, in ONNX Runtime."""
    names = dict(zip(DETECTIONS, detection_values(model), strict=True))
    computed = {name_of(value) for node in model.graph for value in node.outputs}
    numbers = sorted(name for name in computed if without_level(name) in NUMBERS)

    def reference(images: NDArray[Any], other: Intermediates) -> Intermediates:
        given = {names.get(name, name): other[name] for name in GIVEN}
        graph = changed(model, ComputeFrom(given, numbers)).model
        return open_run(to_bytes(graph))(images)

    return reference


def regions(boxes: NDArray[np.float32], rules: Selection, batch: int) -> Intermediates:
    """Make proposals and detections of a few boxes (R, 4), taken in turn, of classes in turn."""
    proposals, detections = (
        np.resize(boxes, (count, 4)).astype(np.float32) for count in (rules.proposals, rules.detections)
    )
    class_ids = 1 + np.arange(rules.detections, dtype=np.int64) % (rules.classes - 1)
    of_one: tuple[NDArray[Any], ...] = (
        *(proposals, np.ones(len(proposals), np.float32)),
        *(detections, np.ones(len(detections), np.float32), class_ids),
    )
    return {name: np.repeat(array[None], batch, axis=0) for name, array in zip(GIVEN, of_one, strict=True)}


def golden_numbers(
    reference: Reference, image: NDArray[Any], boxes: NDArray[np.float32], rules: Selection
) -> dict[str, NDArray[Any]]:
    """Sample the numbers of one image (N, H, W, C), repeated, and of a few of the boxes (P, 4) in it."""
    few = boxes[:: -(-len(boxes) // GOLDEN_REGIONS)]
    return {"proposals.boxes": few, **sampled(reference(image, regions(few, rules, len(image))))}


def sampled(numbers: Intermediates) -> dict[str, NDArray[Any]]:
    """Keep evenly spaced ones of the first image's, and those of the first boxes alone."""
    kept = {}
    for name, array in numbers.items():
        if without_level(name) in NUMBERS:
            first = array if name in ROWS else array[0]
            first = first[:GOLDEN_REGIONS] if name in ROWS or name == "masks" else first
            places = np.linspace(0, first.size - 1, min(first.size, GOLDEN_NUMBERS)).round()
            kept[name] = first.ravel()[places.astype(np.int64)]
    return kept


def compare_numbers(
    proof: IntermediatesProof, expected: Intermediates, found: Intermediates, limit: float
) -> dict[str, float]:
    """Note the numbers' relative errors, and the first intermediate value that is beyond tolerance.

    Returns:
        The largest absolute error by the value's name without its level.
    """
    absolute: dict[str, float] = {}
    for kind, words in NUMBERS.items():
        for name in sorted(name for name in expected if without_level(name) == kind):
            place = f"the {words}" + (f" of level {name.rpartition('.')[2]}" if name != kind else "")
            count = min(len(expected[name]), len(found[name]))  # padding has masks, too
            wanted, got = (side[name][:count].astype(np.float64) for side in (expected, found))
            if wanted.shape != got.shape:
                proof.failures.append(f"{place} are {got.shape}, not {wanted.shape}")
                return absolute
            error = np.abs(got - wanted).max(initial=0.0)
            error = float(error) if np.isfinite(error) else np.inf
            peak = 1.0 if kind == "masks" else float(np.abs(wanted).max(initial=0.0))
            relative = error / max(peak, float(np.finfo(np.float32).tiny))
            absolute[kind] = max(absolute.get(kind, 0.0), error)
            proof.errors[kind] = max(proof.errors.get(kind, 0.0), relative)
            if relative > limit and kind != "masks" and underflows(wanted, got):
                proof.comparable = False
                proof.failures.append(
                    f"{place} underflow, the largest is {peak:.3g}: the network is not trained"
                )
                return absolute
            if relative > limit:
                proof.failures.append(
                    f"{place} differ by {relative:.3g} of the largest, at most {limit:g} allowed"
                )
                return absolute
    return absolute


def with_detections(outputs: Intermediates) -> dict[str, NDArray[Any]]:
    """Name the detections of a padded graph, which are its outputs, as those of any other."""
    doubled = {name: outputs[name.split(".")[1]] for name in DETECTIONS if name not in outputs}
    return {**outputs, **doubled}


def of_image(intermediates: Intermediates, image: int, batch: int) -> dict[str, NDArray[Any]]:
    """Take one image out of a batch's intermediate values."""
    return {
        name: array.reshape(batch, -1, *array.shape[1:])[image] if name in ROWS else array[image]
        for name, array in intermediates.items()
    }


def without_level(name: str) -> str:
    """Give a value's name without its level: `maps.0` is one of `maps`."""
    kind, _, level = name.rpartition(".")
    return kind if level.isdigit() else name
