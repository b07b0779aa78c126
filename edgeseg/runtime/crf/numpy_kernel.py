"""The CRF's mean field in NumPy and OpenCV alone, where the kernel was not built or EDGESEG_CRF_KERNEL=numpy.

The same mean field as native/mean_field.hpp without its shortcuts: no pixel is passed over, no label left
out, and the smoothness kernel is not made coarser. Labels agree with the kernel's on 99 % of the pixels of
real images, or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeseg.opencv import cv2
from edgeseg.runtime.crf.kernel import Parameters, not_finite

BEFORE, AFTER = 1, 2  # bits of Parameters.normalisation
DIMENSIONS = 5
POSITIONS = 2  # of them; the others are colours
CORNERS = DIMENSIONS + 1
LATTICE_GAIN = 1 / (1 + 2.0**-DIMENSIONS)  # of weights that sum to 1
LARGEST_LOGIT = 1e6
REACH = 3  # standard deviations of the smoothness kernel
NARROWEST = 0.05  # pixels; the next pixel's weight is 0 from here on
WIDEST = 100  # sides of the image; all weights are 1 from here on
# of the appearance kernel's widths: widths below tell apart what differs at all
NARROWEST_APPEARANCE = 0.25
MOST_WIDTHS = 2**16  # along a side of the image
# steps from the first of the four pixels that stand for one at half the size
DOWN, RIGHT = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])


@dataclass(frozen=True)
class Lattice:
    """A permutohedral lattice (Adams, Baek and Davis 2010) with n pixels and m vertices, one of them absent.

    `vertex` (n, 6) and `weight` (n, 6) place the pixels; `before` and `after` (6, m) are neighbours along
    each axis, of which the absent vertex m - 1 has the value 0.
    """

    vertex: NDArray[np.intp]
    weight: NDArray[np.float32]
    before: NDArray[np.intp]
    after: NDArray[np.intp]

    def filter(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Blur (n,) values over position and colour; a constant gains about 1.03."""
        count = self.before.shape[1]
        weighted = self.weight * values[:, None]
        sums = np.bincount(self.vertex.ravel(), weighted.ravel(), minlength=count).astype(np.float32)
        for before, after in zip(self.before, self.after, strict=True):
            sums = sums + np.float32(0.5) * (sums[before] + sums[after])
            sums[-1] = 0
        filtered: NDArray[np.float32] = np.einsum("nk,nk->n", self.weight, sums[self.vertex])
        return filtered


def infer(
    parameters: Parameters,
    compatibility: NDArray[np.float32] | None,
    image: NDArray[np.uint8],
    logits: NDArray[np.float32],
    takes_part: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Compute marginals (C, H, W) from logits (C, H, W) at the image's own size.

    Pixels that take no part, of (H, W), keep the probabilities of their logits; nobody hears them.

    Raises:
        ShapeError: if a logit is not finite.
    """
    if not np.all(np.abs(logits) <= LARGEST_LOGIT):
        raise not_finite()
    shape = logits.shape
    unary = logits.reshape(len(logits), -1)
    ones = np.ones(unary.shape[1], np.float32)
    heard = ones if takes_part is None else takes_part.ravel().astype(np.float32)
    filters, norms = [], []
    mode = parameters.normalisation
    if parameters.appearance_weight:
        lattice = build_lattice(image, parameters.appearance_position_px, parameters.appearance_colour)
        gain = np.float32(1 if mode else LATTICE_GAIN)
        filters.append((lattice.filter, np.float32(parameters.appearance_weight) * gain))
        norms.append(_norm(lattice.filter(heard), mode))
    if parameters.smoothness_weight:
        sigma = parameters.smoothness_position_px

        def smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
            return gaussian(values.reshape(shape[1:]), sigma).ravel()

        filters.append((smooth, np.float32(parameters.smoothness_weight)))
        norms.append(_norm(smooth(ones), mode))
    belief = first = _softmax(unary)
    for _ in range(parameters.iterations):
        message = np.zeros_like(unary)
        for (apply, weight), norm in zip(filters, norms, strict=True):
            for label, plane in enumerate(belief):
                filtered = apply(plane * heard * norm if mode & BEFORE else plane * heard)
                message[label] += weight * (filtered * norm if mode & AFTER else filtered)
        belief = _softmax(unary + (message if compatibility is None else -(compatibility @ message)))
    if takes_part is not None:
        belief = np.where(takes_part.ravel(), belief, first)
    return belief.reshape(shape)


def doubled_labels(
    labels: NDArray[np.uint8], image: NDArray[np.uint8], frame: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Do what `refinement.doubled_labels` says."""
    height, width = frame.shape[:2]
    doubled = cv2.resize(labels, (2 * labels.shape[1], 2 * labels.shape[0]), interpolation=cv2.INTER_NEAREST)
    full: NDArray[np.uint8] = np.ascontiguousarray(doubled[:height, :width], np.uint8)
    differs = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    small_y, small_x = np.nonzero(differs)
    y, x = ((2 * line[:, None] + step).ravel() for line, step in ((small_y, DOWN), (small_x, RIGHT)))
    sources = _sources(y, x, labels)
    candidates = labels.ravel().take(sources)
    differ = (candidates != candidates[0]).any(axis=0) & (y < height) & (x < width)
    y, x, sources, candidates = y[differ], x[differ], sources[:, differ], candidates[:, differ]
    colours = image.reshape(-1, 3).take(sources, axis=0).astype(np.int16) - frame[y, x]
    distance = np.einsum("snc,snc->sn", colours, colours, dtype=np.int32)
    full[y, x] = np.take_along_axis(candidates, distance.argmin(axis=0)[None], axis=0)[0]
    return full


def _sources(y: NDArray[np.intp], x: NDArray[np.intp], labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Give the four pixels of a map (h, w), by number, around each pixel (n,) of twice its size: (4, n).

    The one whose place it stands in comes first.
    """
    height, width = labels.shape
    near_y, near_x = y // 2, x // 2
    far_y = np.clip(near_y + 2 * (y % 2) - 1, 0, height - 1)
    far_x = np.clip(near_x + 2 * (x % 2) - 1, 0, width - 1)
    rows, columns = np.stack([near_y, far_y, near_y, far_y]), np.stack([near_x, near_x, far_x, far_x])
    return np.asarray(rows * width + columns)


def gaussian(plane: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Filter an (H, W) plane by a Gaussian of peak 1 and deviation `sigma` pixels; outside is 0."""
    sigma = min(max(sigma, NARROWEST), WIDEST * max(plane.shape))
    reach = min(int(np.ceil(REACH * sigma)), max(plane.shape))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    filtered = cv2.sepFilter2D(plane, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(filtered, np.float32)


def build_lattice(image: NDArray[np.uint8], position_px: float, colour: float) -> Lattice:
    """Place the pixels of an image (H, W, 3) in the lattice of their (x, y, blue, green, red)."""
    position_px = max(position_px, NARROWEST_APPEARANCE, max(image.shape) / MOST_WIDTHS)
    colour = max(colour, NARROWEST_APPEARANCE)
    rows, columns = np.indices(image.shape[:2], np.float32)
    features = np.stack([columns, rows, *np.moveaxis(image, 2, 0).astype(np.float32)]).reshape(DIMENSIONS, -1)
    axes = np.arange(DIMENSIONS)
    scale = CORNERS * np.sqrt(2 / 3) / np.sqrt((axes + 1) * (axes + 2))
    scale /= np.where(axes < POSITIONS, position_px, colour)
    features *= scale[:, None].astype(np.float32)
    elevated = np.empty((CORNERS, features.shape[1]), np.float32)
    total = np.zeros(features.shape[1], np.float32)
    for j in range(DIMENSIONS, 0, -1):
        elevated[j] = total - j * features[j - 1]
        total += features[j - 1]
    elevated[0] = total
    multiple = np.floor(elevated / CORNERS + np.float32(0.5))
    residue = elevated / CORNERS - multiple
    rank = np.argsort(np.argsort(-residue, axis=0, kind="stable"), axis=0) + multiple.sum(axis=0).astype(int)
    turn = (rank < 0).astype(int) - (rank > DIMENSIONS)
    rank += turn * CORNERS
    multiple += turn
    residue -= turn
    falling = -np.sort(-residue, axis=0)
    weight = np.empty_like(falling)
    weight[0] = 1 + falling[-1] - falling[0]
    weight[1:] = (falling[:-1] - falling[1:])[::-1]
    vertex, before, after = _name_vertices(multiple.astype(np.int64) * CORNERS, rank)
    return Lattice(vertex, np.ascontiguousarray(weight.T, np.float32), before, after)


def _name_vertices(
    base: NDArray[np.int64], rank: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Number the vertices of simplices given by their first vertex (6, n) and ranks (6, n).

    Returns vertex numbers (n, 6), and the neighbours of each vertex before and after it along each axis. Keys
    wrap around where narrow kernels ask for more than 64 bits; odd units keep them apart.
    """
    lowest = base.min(axis=1) - 2 * CORNERS
    extent = base.max(axis=1) - lowest + 2 * CORNERS | 1
    unit = np.array([*np.cumprod([1, *extent[: DIMENSIONS - 1]]), 0], np.int64)  # the last coordinate follows
    step = unit.sum() - CORNERS * unit
    first = ((base - lowest[:, None]) * unit[:, None]).sum(axis=0)
    order = np.argsort(rank, axis=0)
    keys = np.cumsum([first, *step[order[:0:-1]]], axis=0).T  # (n, 6): corner k takes one more step
    known, vertex = np.unique(keys, return_inverse=True)
    absent = len(known)
    neighbours = []
    for direction in (-step, step):
        wanted = known + direction[:, None]
        found = np.minimum(np.searchsorted(known, wanted), absent - 1)
        there = np.where(known[found] == wanted, found, absent)
        neighbours.append(np.pad(there, ((0, 0), (0, 1)), constant_values=absent))
    return vertex.reshape(keys.shape), neighbours[0], neighbours[1]


def _norm(total: NDArray[np.float32], mode: int) -> NDArray[np.float32]:
    """Turn what ones are filtered to into what values are multiplied with."""
    norm: NDArray[np.float32] = 1 / (total + np.float32(1e-20))
    return np.sqrt(norm) if mode == BEFORE | AFTER else norm


def _softmax(field: NDArray[np.float32]) -> NDArray[np.float32]:
    share: NDArray[np.float32] = np.exp(field - field.max(axis=0))
    share /= share.sum(axis=0)
    return share
