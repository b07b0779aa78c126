"""Predict where boxes will be from where they were: a Kalman filter for each, all at once.

Each of centre x, centre y, width and height is filtered for itself. Its velocity is an Ornstein-Uhlenbeck
process (Uhlenbeck and Ornstein, "On the theory of the Brownian motion", 1930): pushed by white noise, it
fades within MEMORY_S. With a constant velocity, the usual model, objects that are hidden while they turn or
stop are looked for too far away. It knows seconds, not frames: frames may be dropped or come unevenly. All
noise is in proportion to the object's size, as in SORT and ByteTrack: what is near looks large and fast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEASUREMENT = 0.05  # standard deviation of what is measured, in sizes of the object; ByteTrack's 1 / 20
ACCELERATION = (
    1.0  # sizes a second in the root of a second: ByteTrack's 1 / 160 a frame at 30 frames a second
)
MEMORY_S = 0.5  # after which a velocity is down to 1 / e
FIRST_VELOCITY = 2.0  # standard deviation in sizes a second: ByteTrack's 10 / 160 a frame


class BoxFilter:
    """The boxes of T objects, with their velocities.

    Attributes:
        state: (T, 4, 2) of centre x, centre y, width and height: pixels, and pixels a second.
        covariance: (T, 4, 2, 2) of these two.
    """

    def __init__(self) -> None:
        self.state: NDArray[np.float64] = np.zeros((0, 4, 2))
        self.covariance: NDArray[np.float64] = np.zeros((0, 4, 2, 2))

    @property
    def boxes(self) -> NDArray[np.float64]:
        """(T, 4) xyxy pixels."""
        centres, half = self.state[:, :2, 0], self._sides() / 2
        return np.concatenate((centres - half, centres + half), axis=1)

    def add(self, boxes: NDArray[np.float32]) -> None:
        """Begin with more objects, at boxes (K, 4) xyxy, of unknown velocity."""
        measured = _centres_and_sides(boxes)
        state = np.stack((measured, np.zeros_like(measured)), axis=2)
        size = _sizes(state)[:, None]
        covariance = np.zeros((*measured.shape, 2, 2))
        covariance[..., 0, 0] = (MEASUREMENT * size) ** 2
        covariance[..., 1, 1] = (FIRST_VELOCITY * size) ** 2
        self.state = np.concatenate((self.state, state))
        self.covariance = np.concatenate((self.covariance, covariance))

    def keep(self, which: NDArray[np.intp]) -> None:
        """Go on with the objects at these indices, in that order."""
        self.state, self.covariance = self.state[which], self.covariance[which]

    def predict(self, dt_s: float) -> None:
        """Move everything by so many seconds."""
        step, drift = transition(dt_s)
        density = (ACCELERATION * _sizes(self.state)) ** 2
        self.state = self.state @ step.T
        self.covariance = step @ self.covariance @ step.T + density[:, None, None, None] * drift

    def correct(self, which: NDArray[np.intp], boxes: NDArray[np.float32]) -> None:
        """Bring in boxes (K, 4) xyxy that were measured of the objects at K indices."""
        state, covariance = self.state[which], self.covariance[which]
        variance = covariance[..., 0, 0] + ((MEASUREMENT * _sizes(state)) ** 2)[:, None]
        gain = covariance[..., :, 0] / variance[..., None]  # (K, 4, 2)
        surprise = _centres_and_sides(boxes) - state[..., 0]
        self.state[which] = state + gain * surprise[..., None]
        self.covariance[which] = covariance - gain[..., :, None] * covariance[..., None, 0, :]

    def _sides(self) -> NDArray[np.float64]:
        return np.maximum(self.state[:, 2:, 0], 1.0)


def transition(dt_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what happens to position and velocity in so many seconds.

    Returns:
        (2, 2) by which they are multiplied, and (2, 2) covariance of what noise of density 1 adds.
    """
    faded = -np.expm1(-dt_s / MEMORY_S)  # share of the velocity that is gone
    way_s = MEMORY_S * faded
    step = np.array([[1.0, way_s], [0.0, 1.0 - faded]])
    velocity = MEMORY_S / 2 * faded * (2 - faded)
    both = way_s**2 / 2
    position = MEMORY_S**2 * (dt_s - 2 * way_s + velocity)
    return step, np.array([[position, both], [both, velocity]])


def _centres_and_sides(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn boxes (K, 4) xyxy into (K, 4) centre x, centre y, width, height."""
    low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    return np.concatenate(((low + high) / 2, high - low), axis=1)


def _sizes(state: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the geometric mean of each object's sides, (T,) pixels, at least 1."""
    sizes: NDArray[np.float64] = np.sqrt(np.maximum(state[:, 2:, 0], 1.0).prod(axis=1))
    return sizes
