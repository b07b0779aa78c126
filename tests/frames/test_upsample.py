from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeseg.frames.geometry import Placement, place
from edgeseg.frames.upsample import argmax_labels, upsampled_labels, upsampled_planes
from edgeseg.spec import InputSpec, ResizePolicy

ROUNDING = 1e-5  # of float32 logits of a few units, interpolated


def interpolated(logits: NDArray[np.float32], placement: Placement) -> NDArray[np.float64]:
    """Sample every class at every frame pixel, one axis after the other, in float64."""
    values = logits.astype(np.float64)
    for axis, positions in (
        (1, placement.sample_rows(logits.shape[1])),
        (2, placement.sample_columns(logits.shape[2])),
    ):
        last = values.shape[axis] - 1
        position = positions.clip(0, last)
        below = np.floor(position).astype(int)
        shape = [1, 1, 1]
        shape[axis] = -1
        t = (position - below).reshape(shape)
        values = values.take(below, axis) * (1 - t) + values.take(np.minimum(below + 1, last), axis) * t
    return values


def assert_best(labels: NDArray[np.uint8], values: NDArray[np.float64]) -> None:
    """Check that no class beats the label's anywhere by more than rounding."""
    assert labels.dtype == np.uint8
    assert labels.shape == values.shape[1:]
    chosen = np.take_along_axis(values, labels[None].astype(int), axis=0)[0]
    assert (chosen >= values.max(axis=0) - ROUNDING).all()


def noise(classes: int, height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((classes, height, width)).astype(np.float32)


def near_ties(classes: int, height: int, width: int) -> NDArray[np.float32]:
    """Logits that differ in their last bits only."""
    return 3 + noise(classes, height, width).round() * np.float32(2**-22)


def regions(classes: int, height: int, width: int) -> NDArray[np.float32]:
    """Logits as a network gives them: each class best in one smooth region."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    centres = rng.uniform((0, 0), (height, width), (classes, 2))
    return np.stack([-np.hypot(y - cy, x - cx) for cy, cx in centres]).astype(np.float32)


def test_logits_that_are_not_numbers_are_survived() -> None:
    logits = noise(3, 4, 4)
    logits[:, 1:3, 1:3] = np.nan
    assert upsampled_labels(logits, place((20, 20), InputSpec(16, 16))).max() < 3


def test_the_lower_of_equal_classes_is_picked() -> None:
    logits = np.array([[[1, 0, 2]], [[1, 3, 2]], [[0, 3, 2]]], np.float32)
    assert argmax_labels(logits).tolist() == [[0, 1, 0]]


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_argmax_is_numpys(classes: int, seed: int) -> None:
    logits = np.random.default_rng(seed).integers(-3, 3, (classes, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(argmax_labels(logits), logits.argmax(axis=0))


def test_the_most_classes_there_can_be_fit() -> None:
    logits = np.zeros((255, 2, 2), np.float32)
    logits[254] = 1
    assert (argmax_labels(logits) == 254).all()
    assert (upsampled_labels(logits, place((7, 9), InputSpec(4, 4))) == 254).all()


def test_a_class_that_is_best_at_no_sample_wins_between_them() -> None:
    # frame columns lie at -.375 -.125 .125 .375 .625 .875 1.125 1.375 between samples 0 and 1;
    # class 0 falls from 3 to -3, class 1 rises, class 2 is 1 throughout: it leads from 1/3 to 2/3
    logits = np.array([[[3, -3]], [[-3, 3]], [[1, 1]]], np.float32)
    placement = place((1, 8), InputSpec(1, 2))
    assert upsampled_labels(logits, placement).tolist() == [[0, 0, 0, 2, 2, 1, 1, 1]]


@pytest.mark.parametrize("make", [noise, near_ties, regions])
@pytest.mark.parametrize("resize", ["stretch", "letterbox", "shortest_edge"])
@pytest.mark.parametrize("frame_hw", [(48, 64), (100, 37), (31, 200), (5, 7), (1, 1), (300, 300)])
@pytest.mark.parametrize(("classes", "stride"), [(2, 8), (6, 4), (21, 16), (3, 1), (1, 4)])
def test_labels_are_the_argmax_of_the_interpolated_logits(
    make: Callable[[int, int, int], NDArray[np.float32]],
    resize: ResizePolicy,
    frame_hw: tuple[int, int],
    classes: int,
    stride: int,
) -> None:
    placement = place(frame_hw, InputSpec(48, 64, resize=resize))
    logits = make(classes, 48 // stride, 64 // stride)
    assert_best(upsampled_labels(logits, placement), interpolated(logits, placement))


@given(st.data())
def test_any_grid_on_any_frame(data: st.DataObject) -> None:
    side = st.integers(1, 12)
    frame_hw, input_hw, grid_hw = (data.draw(st.tuples(side, side)) for _ in range(3))
    placement = place(
        frame_hw, InputSpec(*input_hw, resize=data.draw(st.sampled_from(["stretch", "letterbox"])))
    )
    logits = noise(data.draw(st.integers(1, 5)), *grid_hw, seed=data.draw(st.integers(0, 9)))
    assert_best(upsampled_labels(logits, placement), interpolated(logits, placement))


@pytest.mark.parametrize("make", [noise, near_ties, regions])
def test_two_classes_need_no_opencv(
    make: Callable[[int, int, int], NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.frames.upsample.is_installed", lambda: False)
    placement, logits = place((100, 37), InputSpec(48, 64)), make(2, 6, 8)
    assert_best(upsampled_labels(logits, placement), interpolated(logits, placement))


def test_logits_of_the_frames_own_size_only_need_the_argmax() -> None:
    logits = noise(4, 6, 8)
    placement = place((6, 8), InputSpec(6, 8))
    np.testing.assert_array_equal(upsampled_labels(logits, placement), logits.argmax(axis=0))
    assert all(
        plane is not None and np.shares_memory(plane, logits) for plane in upsampled_planes(logits, placement)
    )


def test_planes_are_pytorchs_interpolation() -> None:
    torch = pytest.importorskip("torch")
    logits = noise(3, 6, 9)
    planes = np.stack(list(upsampled_planes(logits, place((50, 41), InputSpec(48, 72)))))
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None], size=(50, 41), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(planes, theirs[0].numpy(), atol=ROUNDING)


def test_planes_are_sampled_once_through_letterbox_and_resize() -> None:
    logits = noise(3, 6, 8)
    placement = place((33, 70), InputSpec(48, 64, resize="letterbox"))
    planes = np.stack(list(upsampled_planes(logits, placement)))
    np.testing.assert_allclose(planes, interpolated(logits, placement), atol=ROUNDING)
