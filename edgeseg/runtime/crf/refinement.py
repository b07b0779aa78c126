"""Turn a network's logits for a frame into labels refined by the CRF, within a time if one is set."""

from __future__ import annotations

import threading
import time
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgeseg.forks import tell_of_forks
from edgeseg.frames.geometry import Placement
from edgeseg.frames.results import SemanticResult
from edgeseg.opencv import cv2
from edgeseg.runtime.crf import kernel, numpy_kernel
from edgeseg.runtime.crf.budget import Level, TimeBudget, check_budget, levels
from edgeseg.runtime.crf.dense_crf import TILE, CRFResult, DenseCRF
from edgeseg.spec import CRFSpec

DEFAULT = CRFSpec(height=480)
"""The defaults' widths are those that are common for photographs of about 480 rows."""

BAND_TILES = 3  # of 4 pixels, on each side of a boundary


class Refinement:
    """The stage `crf` of one stream: its parameters, its kernel, and what it may take; one frame at a time.

    Args:
        parameters: widths hold for a frame of `parameters.height` pixels, and are scaled to each frame's.
        threads: of the kernel.
        budget_ms: time for one frame, kept by fewer iterations, then by half the resolution, then by a band
            around the boundaries alone; None stands for as long as it takes.

    Attributes:
        level: how much is done of a frame where there is no budget; None for all of it.

    Raises:
        UsageError: if an argument is out of range.
    """

    def __init__(
        self, parameters: CRFSpec = DEFAULT, *, threads: int = 1, budget_ms: float | None = None
    ) -> None:
        check_budget(budget_ms)
        self.level: Level | None = None
        self._parameters = parameters
        self._field = DenseCRF(parameters, threads=threads)
        self._scaled = lru_cache(maxsize=2)(parameters.scaled_to)
        self.budget = None if budget_ms is None else TimeBudget(budget_ms, levels(parameters.iterations))
        self.forked()
        tell_of_forks(self)

    @property
    def iterations(self) -> int:
        """Mean-field iterations of a frame that is refined in full."""
        return self._parameters.iterations

    def forked(self) -> None:
        """Begin anew with the lock, which a thread may have that is not here."""
        self._turn = threading.Lock()  # a frame keeps to the budget that the one before has left

    def __call__(
        self,
        logits: NDArray[np.float32],
        placement: Placement,
        frame: NDArray[np.uint8],
        *,
        confidence: bool = False,
    ) -> SemanticResult:
        """Refine logits (C, h, w), which lie in the frame (H, W, 3) as `placement` says."""
        if self.budget is None:
            level = self.level or Level(self.iterations)
            return self.at(level, logits, placement, frame, confidence=confidence)
        with self._turn:
            start_s = time.perf_counter()
            result = self.at(self.budget.level, logits, placement, frame, confidence=confidence)
            self.budget.add(1000 * (time.perf_counter() - start_s))
        return result

    def at(
        self,
        level: Level,
        logits: NDArray[np.float32],
        placement: Placement,
        frame: NDArray[np.uint8],
        *,
        confidence: bool = False,
    ) -> SemanticResult:
        """Refine as __call__ does, at a given level."""
        rows = placement.sample_rows(logits.shape[1])
        columns = placement.sample_columns(logits.shape[2])
        image = frame
        if level.half:
            image = np.asarray(cv2.resize(frame, _halved(frame), interpolation=cv2.INTER_AREA), np.uint8)
            rows, columns = _middles(rows), _middles(columns)
        found = self._field(
            logits,
            image,
            parameters=self._scaled(image.shape[0]),
            positions=(rows, columns),
            marginals=confidence,
            iterations=level.iterations,
            tiles=boundary_tiles(logits, rows, columns) if level.band else None,
        )
        labels = doubled_labels(found.labels, image, frame) if level.half else found.labels
        return SemanticResult(labels, _confidence(found, labels) if confidence else None)


def boundary_tiles(
    logits: NDArray[np.float32], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Mark the tiles of an image within BAND_TILES of a boundary between classes, by the nearest samples.

    Args:
        logits: (C, h, w).
        rows, columns: (H,) and (W,), where the image's pixels lie on the logits' grid.

    Returns:
        (ceil(H / TILE), ceil(W / TILE)).
    """
    y, x = (
        np.clip(np.rint(line[TILE // 2 :: TILE]), 0, size - 1).astype(np.intp)
        for line, size in ((_whole_tiles(rows), logits.shape[1]), (_whole_tiles(columns), logits.shape[2]))
    )
    labels = logits[:, y[:, None], x].argmax(axis=0).astype(np.uint8)
    differs = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    reach = 2 * BAND_TILES - 1
    return np.asarray(cv2.dilate(differs, np.ones((reach, reach), np.uint8)) > 0)


def _whole_tiles(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Repeat the last position until the tiles are full."""
    return np.pad(line, (0, -len(line) % TILE), mode="edge")


def doubled_labels(
    labels: NDArray[np.uint8], image: NDArray[np.uint8], frame: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Bring labels of an image at half size to the frame, along the frame's edges.

    A pixel of the frame lies between four pixels of the image. Where they differ it takes the label of the
    one that is nearest in colour (nearest in place where colours tie).

    Args:
        labels: (h, w) of the image (h, w, 3), half of the frame (H, W, 3), rounded up.
    """
    library = kernel.load()
    if library is not None:
        return kernel.doubled_labels(library, labels, image, np.ascontiguousarray(frame))
    return numpy_kernel.doubled_labels(labels, image, frame)


def _halved(frame: NDArray[np.uint8]) -> tuple[int, int]:
    """Give the width and height of a frame at half size, rounded up."""
    return (frame.shape[1] + 1) // 2, (frame.shape[0] + 1) // 2


def _middles(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give where the pixels of half as many lie: between each two."""
    return np.asarray(
        (positions[::2] + positions[np.minimum(np.arange(1, len(positions) + 1, 2), len(positions) - 1)]) / 2
    )


def _confidence(found: CRFResult, labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give the marginal of each pixel's label, (H, W); at half size each stands for two by two pixels."""
    assert found.marginals is not None
    best: NDArray[np.float32] = found.marginals.max(axis=0)
    if best.shape != labels.shape:
        best = best.repeat(2, axis=0).repeat(2, axis=1)[: labels.shape[0], : labels.shape[1]]
    return best
