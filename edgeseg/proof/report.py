"""The verdict on an artifact, with the figures that it rests on, as JSON and as an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeseg.errors import ParityError
from edgeseg.proof.tolerances import FP32, Tolerances
from edgeseg.records import to_json_value
from edgeseg.spec import Task

PYTORCH = "PyTorch"


@dataclass(frozen=True)
class ParityReport:
    """The verdict, its figures, and what they were held against.

    Attributes:
        passed: whether every figure is within tolerance.
        figures: errors by name, such as `max_relative_logit_error` or `matched`.
        failures: one sentence for each figure beyond tolerance, or other finding that failed.
        notes: what a reader must know to understand the figures.
        comparable: whether PyTorch's own outputs are numbers that can be compared; if not, a failure says
            nothing of the artifact.
        reference: what computed that which is right: PyTorch, or a graph that came ready.
    """

    task: Task
    images: int
    passed: bool
    figures: Mapping[str, float]
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tolerances: Tolerances = FP32
    comparable: bool = True
    reference: str = PYTORCH

    def to_json_value(self) -> dict[str, Any]:
        """Give the report as JSON values."""
        value: dict[str, Any] = to_json_value(self)
        return value

    def to_json(self) -> str:
        """Write as JSON with sorted keys: equal reports give equal bytes."""
        return json.dumps(self.to_json_value(), sort_keys=True)

    def raise_if_failed(self, what: str) -> None:
        """Raise ParityError with the failures on one line, as the answer to "`what` ..."."""
        if not self.passed:
            verdict = (
                f"does not compute what {self.reference} computes" if self.comparable else "cannot be proven"
            )
            raise ParityError(f"{what} {verdict}: {'; '.join(self.failures)}")
