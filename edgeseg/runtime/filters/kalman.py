"""Predict where boxes will be from where they were: a Kalman filter for each, all at once.

Each of centre x, centre y, width and height is filtered for itself, with the model of constant velocity
whose acceleration is white noise (Bar-Shalom et al., "Estimation with Applications to Tracking and
Navigation", 2001, section 6.2.2). It knows seconds, not frames: frames may be dropped or come unevenly. All
noise is in proportion to the object's size, as in SORT and ByteTrack: what is near looks large and fast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEASUREMENT = 0.05  # standard deviation of what is measured, in sizes of the object; ByteTrack's 1 / 20
ACCELERATION = (
    1.0  # sizes a second in the root of a second: ByteTrack's 1 / 160 a frame at 30 frames a second
)
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
        step = np.array([[1.0, dt_s], [0.0, 1.0]])
        drift = np.array([[dt_s**3 / 3, dt_s**2 / 2], [dt_s**2 / 2, dt_s]])
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


def _centres_and_sides(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn boxes (K, 4) xyxy into (K, 4) centre x, centre y, width, height."""
    low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    return np.concatenate(((low + high) / 2, high - low), axis=1)


def _sizes(state: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the geometric mean of each object's sides, (T,) pixels, at least 1."""
    sizes: NDArray[np.float64] = np.sqrt(np.maximum(state[:, 2:, 0], 1.0).prod(axis=1))
    return sizes
