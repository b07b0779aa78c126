"""Find the CRF's parameters that draw boundaries best, on labelled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement
from edgeseg.frames.upsample import upsampled_labels
from edgeseg.metrics.scores import Scores, ScoreSheet
from edgeseg.runtime.crf.dense_crf import DenseCRF
from edgeseg.spec import CRFSpec

# Where the coarse search looks, uniformly in the logarithm: pixels and grey levels for a frame of 480 rows.
SEARCH_HEIGHT = 480
RANGES = {
    "appearance_position_px": (8.0, 160.0),
    "appearance_colour": (2.0, 40.0),
    "appearance_weight": (0.5, 20.0),
    "smoothness_position_px": (0.7, 8.0),
    "smoothness_weight": (0.1, 10.0),
}
ITERATIONS = (1, 2, 3, 5, 8)
COARSE, FINE = 32, 128  # trials
FIRST_STEP, LAST_STEP = (
    0.5,
    0.1,
)  # standard deviation of the logarithm in the fine search, falling by equal factors
STAYS = 0.3  # chance that the fine search leaves a parameter as it is


@dataclass(frozen=True, eq=False)
class Example:
    """One labelled frame: logits (C, h, w), where they lie in it, frame (H, W, 3), labels (H, W)."""

    logits: NDArray[np.float32]
    placement: Placement
    frame: NDArray[np.uint8]
    truth: NDArray[np.uint8]


def score(examples: Sequence[Example], parameters: CRFSpec | None, *, threads: int = 1) -> Scores:
    """Score the labels that parameters give, or those without a CRF for None."""
    sheet = ScoreSheet(len(examples[0].logits))
    field = None if parameters is None else DenseCRF(parameters, threads=threads)
    for example in examples:
        labels = upsampled_labels(example.logits, example.placement)
        if field is not None and parameters is not None:
            field.parameters = parameters.scaled_to(example.frame.shape[0])
            _, rows, columns = example.logits.shape
            positions = example.placement.sample_rows(rows), example.placement.sample_columns(columns)
            labels = field(example.logits, example.frame, positions=positions).labels
        sheet.add(example.truth, labels)
    return sheet.scores()


def fit(
    examples: Sequence[Example],
    start: CRFSpec,
    *,
    seed: int = 0,
    threads: int = 1,
    trials: tuple[int, int] | None = None,
    on_trial: Callable[[], object] = lambda: None,
) -> CRFSpec:
    """Search the parameters with the best boundary F-score whose mIoU is not below that without a CRF.

    First at random over RANGES, then near the best so far, nearer and nearer. The same seed gives the same
    parameters.

    Args:
        start: also tried; the result's widths hold for SEARCH_HEIGHT rows.
        trials: how many in the coarse and in the fine search; None stands for COARSE and FINE.
        on_trial: called after each.
    """
    rng = np.random.default_rng(seed)
    floor = score(examples, None).miou

    def objective(parameters: CRFSpec) -> float:
        found = score(examples, parameters, threads=threads)
        on_trial()
        return worth(found, floor)

    best = start.scaled_to(SEARCH_HEIGHT)
    most = objective(best)
    coarse, fine = trials or (COARSE, FINE)
    for trial in range(coarse + fine):
        done = max(trial - coarse, 0) / max(fine, 1)
        step = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** done
        candidate = _anywhere(rng) if trial < coarse else _nearby(best, step, rng)
        found = objective(candidate)
        if found > most:
            best, most = candidate, found
    return best


def worth(found: Scores, floor: float) -> float:
    """Order scores: the boundary F-score where mIoU is not below `floor`, and below all of these by mIoU."""
    return found.boundary_f if found.miou >= floor else found.miou - floor - 1


def _anywhere(rng: np.random.Generator) -> CRFSpec:
    values = {name: _rounded(np.exp(rng.uniform(*np.log(ends)))) for name, ends in RANGES.items()}
    return CRFSpec(SEARCH_HEIGHT, **values, iterations=int(rng.choice(ITERATIONS)))


def _nearby(spec: CRFSpec, step: float, rng: np.random.Generator) -> CRFSpec:
    changes: dict[str, Any] = {
        name: _rounded(float(np.clip(getattr(spec, name) * np.exp(rng.normal(0, step)), low / 2, high * 2)))
        for name, (low, high) in RANGES.items()
        if rng.random() >= STAYS
    }
    return replace(spec, **changes, iterations=max(1, spec.iterations + int(rng.integers(-1, 2))))


def _rounded(value: float) -> float:
    """Keep three digits: the rest is noise, and in the way of a reader."""
    return float(f"{value:.3g}")
