"""The fully connected pairwise CRF (Krähenbühl and Koltun 2011), solved by mean field with filters."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeseg.cores import usable_cores
from edgeseg.errors import ShapeError, UsageError
from edgeseg.frames.upsample import argmax_labels
from edgeseg.runtime.crf import kernel, numpy_kernel
from edgeseg.spec import MAX_CLASSES, CRFSpec

Normalisation = Literal["symmetric", "before", "after", "none"]

_MODES: dict[Normalisation, int] = {"none": 0, "before": 1, "after": 2, "symmetric": 3}

# A tile of 4 x 4 pixels is passed over once all are this sure of their labels and moved no more than this, or
# once all are 0.99 sure, however far they moved.
SURE, SETTLED = 0.95, 0.05
NEVER = 2.0  # no probability reaches it

MOST_HEARD = 1e30
"""Cost that a pixel may hear from all others: float32 ends at 3e38, and fields are added and subtracted."""

TILE = 4  # pixels a side: `kSide` of the kernel
PLANES_NDIM, MATRIX_NDIM = 3, 2  # (C, h, w), (C, C)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CRFResult:
    """`labels` (H, W) uint8; `marginals` (C, H, W) float32 in 0..1, or None where they were not asked for."""

    labels: NDArray[np.uint8]
    marginals: NDArray[np.float32] | None


class DenseCRF:
    """Refine a segmentation along the edges of its image; every pixel is connected with every other.

    Two pixels that have the same label are rewarded, the more the nearer (smoothness kernel) and, further
    away, the more alike in colour they are (appearance kernel):

        w_a exp(-|p - p'|^2 / (2 s_a^2) - |c - c'|^2 / (2 s_c^2)) + w_s exp(-|p - p'|^2 / (2 s_s^2))

    Parameters, kernels and normalisation mean what they mean in pydensecrf, a pixel's message to itself
    included, so that values tuned with it carry over. Memory is kept from frame to frame. Calls from several
    threads wait for each other.

    Args:
        parameters: widths in pixels of the image that is given, colours in grey levels 0..255; `height` is
            not read: `CRFSpec.scaled_to` gives those of a frame. None stands for the defaults.
        compatibility: (C, C) cost of label c (row) beside label m (column); None stands for Potts, 1 where
            they differ. An asymmetric matrix is taken row by row, as the paper's update (algorithm 1) has it.
            pydensecrf2 takes (M + M.T) / 2 instead, which is all that an energy can tell of M, as a pair of
            pixels has no order: give that matrix where values tuned with it shall carry over.
        normalisation: by K 1, what a pixel's weights sum to: its square root before and after the filter
            (`symmetric`), all of it on one side, or none.
        threads: of the kernel; they sleep when there is no work.
        settle: pass over pixels that have settled; False computes every pixel in every iteration.

    Raises:
        ShapeError: if `compatibility` is not a square matrix of finite numbers.
        UsageError: if a parameter is out of range, or EDGESEG_CRF_KERNEL names a kernel that does not run
            here.
    """

    def __init__(
        self,
        parameters: CRFSpec | None = None,
        *,
        compatibility: NDArray[Any] | None = None,
        normalisation: Normalisation = "symmetric",
        threads: int = 1,
        settle: bool = True,
    ) -> None:
        self.parameters = parameters or CRFSpec(height=1)
        if normalisation not in _MODES:
            raise UsageError(f"normalisation must be one of {', '.join(_MODES)}, got {normalisation}")
        cores = usable_cores()
        if not 1 <= threads <= cores:
            raise UsageError(f"threads must be 1 to {cores}, the cores that may be used here, got {threads}")
        self._compatibility = None if compatibility is None else _checked_matrix(compatibility)
        self._mode = _MODES[normalisation]
        self._settle = settle
        library = kernel.load()
        self._kernel = None if library is None else kernel.Kernel(library, threads)
        if kernel.runnable() == ("numpy",):
            _say_slow()

    @property
    def parameters(self) -> CRFSpec:
        """Kernel widths and weights, and iterations; may be set between calls."""
        return self._spec

    @parameters.setter
    def parameters(self, parameters: CRFSpec) -> None:
        self._spec = parameters

    def __call__(
        self,
        logits: NDArray[Any],
        image: NDArray[np.uint8],
        *,
        parameters: CRFSpec | None = None,
        positions: tuple[NDArray[Any], NDArray[Any]] | None = None,
        marginals: bool = False,
        iterations: int | None = None,
        tiles: NDArray[np.bool_] | None = None,
    ) -> CRFResult:
        """Label every pixel of an image.

        A label takes no part if at no sample of `logits` it comes within a factor of 1000 of the likeliest.

        Args:
            logits: (C, h, w) scores before the softmax at any stride; they are upsampled bilinearly.
            image: (H, W, 3) uint8 BGR.
            parameters: in place of those set.
            positions: (H,) and (W,): where the image's rows and columns lie on the logits' grid, sample
                centres at whole numbers; None stands for an even spread (align_corners=False).
            marginals: also return the probability of every label.
            iterations: in place of the parameters' own.
            tiles: (ceil(H / 4), ceil(W / 4)) tiles of TILE x TILE pixels that take part. The pixels of the
                others get the best label of their logits, and nobody hears them. None stands for all.

        Raises:
            ShapeError: if a shape, a dtype or a value does not fit.
            UsageError: if `iterations` is out of range, memory ends, or weights and compatibility make costs
                beyond MOST_HEARD.
        """
        spec = parameters or self._spec
        if iterations is not None:
            spec = replace(spec, iterations=iterations)
        _check_arrays(logits, image, self._compatibility)
        _check_heard(spec, image.shape[0] * image.shape[1], self._compatibility)
        chosen = _chosen(tiles, image.shape[:2])
        logits = np.ascontiguousarray(logits, np.float32)
        image = np.ascontiguousarray(image)
        lines = _positions(positions, (image.shape[0], image.shape[1]), logits.shape[1:])
        passed = kernel.Parameters(
            spec.appearance_position_px,
            spec.appearance_colour,
            spec.appearance_weight,
            spec.smoothness_position_px,
            spec.smoothness_weight,
            spec.iterations,
            self._mode,
            SURE if self._settle else NEVER,
            SETTLED,
        )
        if self._kernel is None:
            mask = None if chosen is None else _pixels(chosen, image.shape[:2])
            found = numpy_kernel.infer(passed, self._compatibility, image, _upsampled(logits, lines), mask)
            return CRFResult(argmax_labels(found), found if marginals else None)
        probable = np.empty((len(logits), *image.shape[:2]), np.float32) if marginals else None
        labels = self._kernel.infer(
            passed, self._compatibility, image, logits, positions=lines, chosen=chosen, marginals=probable
        )
        return CRFResult(labels, probable)


def _checked_matrix(compatibility: NDArray[Any]) -> NDArray[np.float32]:
    matrix = np.asarray(compatibility, np.float64)
    if matrix.ndim != MATRIX_NDIM or matrix.shape[0] != matrix.shape[1] or not np.all(np.isfinite(matrix)):
        raise ShapeError(f"compatibility must be a finite (C, C) matrix, got {matrix.shape}")
    if np.abs(matrix).max(initial=0.0) > MOST_HEARD:
        raise ShapeError(
            f"compatibility must stay within {MOST_HEARD:g}, got {np.abs(matrix).max():g}; scale it down"
        )
    return np.ascontiguousarray(matrix, np.float32)


def _check_heard(spec: CRFSpec, pixels: int, compatibility: NDArray[np.float32] | None) -> None:
    """Bound what one pixel may hear: no kernel exceeds 1, nor does its normalisation what is summed."""
    row = 1.0 if compatibility is None else float(np.abs(compatibility).sum(axis=1, dtype=np.float64).max())
    heard = (spec.appearance_weight + spec.smoothness_weight) * max(row, 1.0) * pixels
    if heard > MOST_HEARD:
        raise UsageError(
            f"weights and compatibility may add up to a cost of {heard:.3g} for one of {pixels} pixels, more "
            f"than {MOST_HEARD:g}; scale them down"
        )


def _check_arrays(
    logits: NDArray[Any], image: NDArray[np.uint8], compatibility: NDArray[np.float32] | None
) -> None:
    if logits.ndim != PLANES_NDIM or not 1 <= len(logits) <= MAX_CLASSES or 0 in logits.shape:
        raise ShapeError(
            f"logits must be (C, h, w) of 1 to {MAX_CLASSES} classes, got {logits.shape}; "
            "for a batch, pass one item: logits[0]"
        )
    if logits.dtype.kind != "f":
        raise ShapeError(f"logits must be floats, got {logits.dtype}; for labels see unary_from_labels")
    if image.dtype != np.uint8 or image.shape[2:] != (3,) or 0 in image.shape:
        raise ShapeError(f"image must be (H, W, 3) uint8 BGR, got {image.dtype} {image.shape}")
    if compatibility is not None and len(compatibility) != len(logits):
        raise ShapeError(f"compatibility is for {len(compatibility)} classes, logits have {len(logits)}")


def _chosen(tiles: NDArray[np.bool_] | None, size_hw: tuple[int, ...]) -> NDArray[np.uint8] | None:
    if tiles is None:
        return None
    wanted = tuple(-(-side // TILE) for side in size_hw)
    if tiles.shape != wanted or tiles.dtype != np.bool_:
        raise ShapeError(f"tiles must be {wanted} bool for this image, got {tiles.shape} {tiles.dtype}")
    return np.ascontiguousarray(tiles).view(np.uint8)


def _pixels(chosen: NDArray[np.uint8], size_hw: tuple[int, ...]) -> NDArray[np.bool_]:
    """Give the pixels (H, W) of the chosen tiles."""
    full = chosen.repeat(TILE, axis=0).repeat(TILE, axis=1)
    return full[: size_hw[0], : size_hw[1]].view(np.bool_)


def _positions(
    positions: tuple[NDArray[Any], NDArray[Any]] | None, size_hw: tuple[int, int], grid_hw: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Give where pixels lie on the grid; None where pixels and samples are the same."""
    if positions is None:
        if size_hw == grid_hw:
            return None
        spread = [
            (np.arange(size) + 0.5) * count / size - 0.5 for size, count in zip(size_hw, grid_hw, strict=True)
        ]
        positions = spread[0], spread[1]
    rows, columns = (np.ascontiguousarray(line, np.float32) for line in positions)
    if (rows.shape, columns.shape) != ((size_hw[0],), (size_hw[1],)):
        raise ShapeError(
            f"positions must be ({size_hw[0]},) and ({size_hw[1]},), got {rows.shape}, {columns.shape}"
        )
    if not (np.all(np.isfinite(rows)) and np.all(np.isfinite(columns))):
        raise ShapeError("positions must be finite")
    return rows, columns


def _upsampled(
    logits: NDArray[np.float32], positions: tuple[NDArray[np.float32], NDArray[np.float32]] | None
) -> NDArray[np.float32]:
    """Read (C, h, w) logits at the pixels' positions, linearly between samples."""
    if positions is None:
        return logits
    for axis, line in ((1, positions[0]), (2, positions[1])):
        last = logits.shape[axis] - 1
        inside = np.clip(line, 0, last)
        first = inside.astype(np.intp)
        weight = (inside - first).astype(np.float32).reshape((1, -1, 1) if axis == 1 else (1, 1, -1))
        before = logits.take(first, axis=axis)
        logits = before + (logits.take(np.minimum(first + 1, last), axis=axis) - before) * weight
    return logits


@cache
def _say_slow() -> None:
    """Say once that the kernel is missing."""
    _log.warning(
        "the CRF's kernel was not built, NumPy does its work and is 15 to 40 times slower; "
        "install a C++ compiler and edgeseg again"
    )
