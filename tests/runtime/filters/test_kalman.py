"""The filter of boxes is OpenCV's Kalman filter, for unequal times and all objects at once."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.filters.kalman import (
    ACCELERATION,
    FIRST_VELOCITY,
    MEASUREMENT,
    BoxFilter,
    transition,
)

SIDE = 20.0  # of squares: their size stays what it is


def _square(x: float, y: float) -> list[float]:
    return [x - SIDE / 2, y - SIDE / 2, x + SIDE / 2, y + SIDE / 2]


def _opencv(times: list[float], xs: list[float]) -> list[float]:
    """Predict each x from those before it, with the same model."""
    kalman = cv2.KalmanFilter(2, 1, 0, cv2.CV_64F)
    kalman.measurementMatrix = np.array([[1.0, 0.0]])
    kalman.measurementNoiseCov = np.array([[(MEASUREMENT * SIDE) ** 2]])
    kalman.statePost = np.array([[xs[0]], [0.0]])
    kalman.errorCovPost = np.diag([(MEASUREMENT * SIDE) ** 2, (FIRST_VELOCITY * SIDE) ** 2])
    predicted = []
    for earlier, later, x in zip(times, times[1:], xs[1:], strict=False):
        kalman.transitionMatrix, drift = transition(later - earlier)
        kalman.processNoiseCov = (ACCELERATION * SIDE) ** 2 * drift
        predicted.append(float(kalman.predict()[0, 0]))
        kalman.correct(np.array([[x]]))
    return predicted


def test_predictions_are_those_of_opencv() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.4, 30)).tolist()
    xs = [100 + 40 * t + float(rng.normal(0, 1)) for t in times]
    boxes = BoxFilter()
    boxes.add(np.array([_square(xs[0], 50), _square(-xs[0], 70)], np.float32))
    found = []
    for earlier, later, x in zip(times, times[1:], xs[1:], strict=False):
        boxes.predict(later - earlier)
        found.append(boxes.state[:, 0, 0].tolist())
        boxes.correct(np.array([1, 0]), np.array([_square(-x, 70), _square(x, 50)], np.float32))
    expected = _opencv(times, xs)
    np.testing.assert_allclose([x for x, _ in found], expected, rtol=1e-5)
    np.testing.assert_allclose([-x for _, x in found], expected, rtol=1e-5)


def test_a_steady_object_is_predicted_near_where_it_will_be() -> None:
    """Half its size a second; of 2 pixels in 0.2 s more than half is foreseen, since velocities fade."""
    boxes, now = BoxFilter(), 0.0
    boxes.add(np.array([_square(0, 0)], np.float32))
    for dt in [0.1, 0.3, 0.05, 0.2, 0.1, 0.1] * 3:
        now += dt
        boxes.predict(dt)
        boxes.correct(np.array([0]), np.array([_square(10 * now, 0)], np.float32))
    boxes.predict(0.2)
    np.testing.assert_allclose(boxes.boxes[0], _square(10 * (now + 0.2), 0), atol=1.0)


def test_a_short_time_is_that_of_constant_velocity() -> None:
    """The first terms in dt, as in books on the model of constant velocity."""
    dt = 1e-3
    step, drift = transition(dt)
    np.testing.assert_allclose(step, [[1, dt], [0, 1]], atol=3e-3)
    np.testing.assert_allclose(drift, [[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]], rtol=5e-3)


@given(st.floats(1e-3, 3), st.floats(1e-3, 3))
def test_two_times_after_each_other_are_their_sum(one: float, other: float) -> None:
    """So a frame that is dropped changes nothing."""
    (first, first_drift), (second, second_drift) = transition(one), transition(other)
    whole, drift = transition(one + other)
    np.testing.assert_allclose(second @ first, whole, rtol=1e-9)
    np.testing.assert_allclose(second @ first_drift @ second.T + second_drift, drift, rtol=1e-6)


def test_no_time_changes_nothing() -> None:
    boxes = BoxFilter()
    boxes.add(np.array([_square(5, 7)], np.float32))
    before = boxes.covariance.copy()
    boxes.predict(0.0)
    assert boxes.boxes.tolist() == [_square(5, 7)]
    assert np.array_equal(boxes.covariance, before)


def test_objects_are_added_and_left_out() -> None:
    boxes = BoxFilter()
    boxes.predict(1.0)
    assert boxes.boxes.shape == (0, 4)
    boxes.add(np.array([_square(0, 0), _square(50, 0)], np.float32))
    boxes.add(np.array([_square(100, 0)], np.float32))
    boxes.keep(np.array([2, 0]))
    assert boxes.boxes.tolist() == [_square(100, 0), _square(0, 0)]


def test_boxes_without_a_side_stay_boxes() -> None:
    boxes = BoxFilter()
    boxes.add(np.array([[3, 4, 3, 4]], np.float32))
    boxes.predict(0.1)
    boxes.correct(np.array([0]), np.array([[3, 4, 3, 4]], np.float32))
    assert np.isfinite(boxes.boxes).all()
