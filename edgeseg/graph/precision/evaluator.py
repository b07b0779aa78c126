"""Evaluate converted models: the points that they lose against the float32 model on images."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.graph.outputs import Outputs
from edgeseg.graph.precision.agreement import POINTS, labels_at, points_lost, true_miou
from edgeseg.graph.precision.report import Metric
from edgeseg.graph.running import Run, run_all
from edgeseg.spec import ModelSpec

LEAST_EVALUATED = 4  # images
_SHORTEST_S = 1e-3  # of a run, where the clock says less


class Evaluator:
    """Images, what the float32 model finds in them, and the truth if it is known.

    Args:
        reference: the float32 model.
        images: (M, H, W, C) of the model's size.
        labels: (M, H, W) uint8 label maps of a semantic model; see `agreement`.
        budget_s: for one run over the images; beyond it only the first are taken, LEAST_EVALUATED or more.

    Attributes:
        images: that it is evaluated on.
        labels: of these.
        seconds: that the float32 model took for them.
        float_miou: of the float32 model, 0..100; None without label maps.
    """

    def __init__(
        self,
        reference: Run,
        spec: ModelSpec,
        images: NDArray[Any],
        labels: NDArray[np.uint8] | None = None,
        *,
        budget_s: float = np.inf,
    ) -> None:
        self.spec = spec
        count = _affordable(reference, images, spec.input.batch, budget_s)
        self.images = images[:count]
        self.labels = None if labels is None else labels[:count]
        start = time.monotonic()
        self._reference = self._outputs(reference)
        self.seconds = time.monotonic() - start
        self.float_miou = (
            None if self.labels is None else POINTS * true_miou(self._reference, spec, self.labels)
        )

    @property
    def metric(self) -> Metric:
        """What the points are of."""
        if self.labels is not None:
            return "mIoU"
        return "class overlap" if self.spec.task == "semantic" else "F1 by score"

    def points_lost(self, run: Run) -> float:
        """Run a converted model on the images and say what it loses, in points 0..100."""
        return points_lost(self._reference, self._outputs(run), self.spec, self.labels)

    def _outputs(self, run: Run) -> list[Outputs]:
        """Run a model on all images, and keep of a semantic one its labels: logits would fill gigabytes."""
        batch = self.spec.input.batch
        outputs: list[Outputs] = []
        for first in range(0, len(self.images), batch):
            part: list[Outputs] = list(run_all(run, self.images[first : first + batch], batch))
            if self.spec.task == "semantic":
                size_hw = None if self.labels is None else self.labels.shape[1:]
                part = [{"labels": labels_at(one, self.spec.head, size_hw)} for one in part]
            outputs += part
        return outputs


def _affordable(run: Run, images: NDArray[Any], batch: int, budget_s: float) -> int:
    """Count the images that a run takes no longer for than the budget."""
    if not np.isfinite(budget_s):
        return len(images)
    first = np.resize(images, (batch, *images.shape[1:]))
    run(first)
    start = time.monotonic()
    run(first)
    seconds = max((time.monotonic() - start) / batch, _SHORTEST_S)
    return min(len(images), max(LEAST_EVALUATED, int(budget_s / seconds)))
