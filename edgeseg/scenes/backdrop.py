"""Turn random numbers into what lies behind the objects of a scene: a cluttered ground, and uneven light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeseg.opencv import cv2

CLOUD_CELLS = (4, 12)  # cells of the coarse and the fine colour cloud along the shorter side
CLOUD_LEVELS = (32.0, 12.0)  # their amplitudes, grey levels
WEAVE_LEVELS = (6.0, 22.0)  # amplitude of the regular pattern
WEAVE_PERIOD_PX = (9.0, 40.0)
CLUTTER_PER_MPX = 600.0  # pieces per million pixels
CLUTTER_SIZE_PX = (5.0, 26.0)
CLUTTER_OPACITY = 0.55
CLUTTER_KINDS = 3
CLUTTER_COLOUR = (20.0, 235.0)
CLUTTER_THICKNESS_PX = (1, 4)  # of sticks, and radius of specks; the upper end excluded
LIGHT_RANGE = (0.15, 0.4)  # how far the light deviates from 1 at the frame's ends


def paint(rng: np.random.Generator, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W, 3) float32 BGR: clouds of colour, a regular pattern, and scattered shards, sticks and specks."""
    height, width = size_hw
    ground = np.full((height, width, 3), rng.uniform(70, 185), np.float32)
    ground += rng.uniform(-30, 30, 3).astype(np.float32)
    for cells, level in zip(CLOUD_CELLS, CLOUD_LEVELS, strict=True):
        grid = (cells, max(2, cells * width // height), 3)
        cloud = rng.uniform(-level, level, grid).astype(np.float32)
        ground += cv2.resize(cloud, (width, height), interpolation=cv2.INTER_CUBIC)
    ground += _weave(rng, size_hw)[:, :, None]
    return _strew(rng, ground)


def lighting(rng: np.random.Generator, size_hw: tuple[int, int], light_rad: float) -> NDArray[np.float32]:
    """(H, W, 1) factors around 1 that rise towards the light."""
    height, width = size_hw
    ys = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    xs = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    along = np.float32(np.cos(light_rad)) * xs + np.float32(np.sin(light_rad)) * ys
    factors = 1 + np.float32(rng.uniform(*LIGHT_RANGE)) * along / np.float32(2**0.5)
    return np.asarray(factors[:, :, None], np.float32)


def _weave(rng: np.random.Generator, size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) waves in one direction, or in two that cross."""
    height, width = size_hw
    ys = np.arange(height, dtype=np.float32)[:, None]
    xs = np.arange(width, dtype=np.float32)[None, :]
    turn, omega = rng.uniform(0, np.pi), 2 * np.pi / rng.uniform(*WEAVE_PERIOD_PX)
    cos, sin = np.float32(omega * np.cos(turn)), np.float32(omega * np.sin(turn))
    waves: NDArray[np.float32] = np.sin(cos * xs + sin * ys)
    if rng.random() < 0.5:  # noqa: PLR2004 - a fair coin
        waves = np.multiply(np.sign(waves), np.sin(cos * ys - sin * xs))
    return np.asarray(np.float32(rng.uniform(*WEAVE_LEVELS)) * waves, np.float32)


def _strew(rng: np.random.Generator, ground: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scatter pieces that belong to no class."""
    height, width = ground.shape[:2]
    pieces = ground.copy()
    for _ in range(rng.poisson(CLUTTER_PER_MPX * height * width / 1e6)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        size = rng.uniform(*CLUTTER_SIZE_PX)
        colour = tuple(float(c) for c in rng.uniform(*CLUTTER_COLOUR, 3))
        kind = rng.integers(CLUTTER_KINDS)
        thickness = int(rng.integers(*CLUTTER_THICKNESS_PX))
        turns = np.sort(rng.uniform(0, 2 * np.pi, 4))
        corners = np.stack([x + size * np.cos(turns), y + size * np.sin(turns)], axis=1).astype(np.int32)
        if kind == 0:  # shard: an irregular polygon
            cv2.fillPoly(pieces, [corners], colour, cv2.LINE_AA)
        elif kind == 1:  # stick
            cv2.line(pieces, corners[0].tolist(), corners[2].tolist(), colour, thickness, cv2.LINE_AA)
        else:  # speck
            cv2.circle(pieces, (int(x), int(y)), thickness, colour, -1, cv2.LINE_AA)
    mixed = cv2.addWeighted(pieces, CLUTTER_OPACITY, ground, 1 - CLUTTER_OPACITY, 0)
    return np.asarray(mixed, np.float32)
