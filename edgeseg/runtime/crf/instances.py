"""Turn the mask probabilities of objects into masks that follow the edges of the frame within their boxes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.forks import tell_of_forks
from edgeseg.frames.geometry import Placement
from edgeseg.frames.results import InstanceResult
from edgeseg.runtime.crf.budget import check_budget
from edgeseg.runtime.crf.dense_crf import DenseCRF
from edgeseg.runtime.instance import instance_result
from edgeseg.spec import CRFSpec, Thresholds

DEFAULT = CRFSpec(
    height=480,
    appearance_position_px=40.0,
    appearance_colour=6.0,
    appearance_weight=2.0,
    smoothness_position_px=2.0,
    smoothness_weight=1.0,
    iterations=3,
)
"""Weak: with the weights for whole frames a label floods its box, or leaves it."""

CALL_PIXELS = 1500  # whose refinement takes as long as that of an object without any
FADING = 0.9  # of the time that pixels are expected to take, for each object that it kept from being refined

LEAST_PROBABILITY = 0.02  # of the object and of the rest: no pixel is beyond doubt


class InstanceRefinement:
    """The stage `crf` of one stream of objects, one frame at a time.

    There are two labels in each box, the object and the rest. Objects are refined apart, so that masks may
    overlap as the network's do. The window of a mask stays the same: nothing outside it is considered.

    Args:
        parameters: widths hold for a frame of `parameters.height` pixels, and are scaled to each frame's.
        threads: of the kernel.
        budget_ms: time for one frame. Objects are refined from the best score down; one that would take too
            long, by what others took so far, keeps the network's mask. None stands for as long as it takes.

    Attributes:
        budget_s: the same in seconds, infinite for none; it may be changed between frames.

    Raises:
        UsageError: if an argument is out of range.
    """

    def __init__(
        self, parameters: CRFSpec = DEFAULT, *, threads: int = 1, budget_ms: float | None = None
    ) -> None:
        check_budget(budget_ms)
        self._parameters = parameters
        self._field = DenseCRF(parameters, threads=threads)
        self.budget_s = math.inf if budget_ms is None else budget_ms / 1000
        self._spent_s = 0.0  # on all pixels so far
        self._pixels = 0
        self.forked()
        tell_of_forks(self)

    def forked(self) -> None:
        """Begin anew with the lock, which a thread may have that is not here."""
        self._turn = threading.Lock()  # of frames: what one took tells what the next can afford

    def __call__(
        self,
        outputs: Mapping[str, NDArray[Any]],
        placement: Placement,
        frame: NDArray[np.uint8],
        thresholds: Thresholds,
    ) -> InstanceResult:
        """Bring the detections for a frame (H, W, 3) to its pixels, as `instance_result` does, and refine."""
        with self._turn:
            return self._refine(outputs, placement, frame, thresholds)

    def _refine(
        self,
        outputs: Mapping[str, NDArray[Any]],
        placement: Placement,
        frame: NDArray[np.uint8],
        thresholds: Thresholds,
    ) -> InstanceResult:
        scaled = self._parameters.scaled_to(frame.shape[0])
        start_s = time.perf_counter()

        def decide(probabilities: NDArray[np.float32], window: tuple[slice, slice]) -> NDArray[np.bool_]:
            begin_s = time.perf_counter()
            pixels = probabilities.size + CALL_PIXELS
            expected_s = pixels * self._spent_s / max(self._pixels, 1)
            if begin_s - start_s + expected_s > self.budget_s:
                self._spent_s *= FADING
                return probabilities >= thresholds.mask
            logits = object_logits(probabilities, thresholds.mask)
            inside: NDArray[np.bool_] = self._field(logits, frame[window], parameters=scaled).labels == 0
            self._spent_s += time.perf_counter() - begin_s
            self._pixels += pixels
            return inside

        return instance_result(outputs, placement, thresholds, decide=decide)


def object_logits(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Turn an object's probabilities (h, w) into logits (2, h, w) of the object and the rest.

    At the threshold both are equal. The object comes first: the lower label wins ties, so that the threshold
    is inside.
    """
    inside = _log_odds(probabilities) - _log_odds(np.float32(threshold))
    return np.stack([inside, np.zeros_like(inside)])


def _log_odds(probabilities: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    sane = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(np.log(sane / (1 - sane)), np.float32)
