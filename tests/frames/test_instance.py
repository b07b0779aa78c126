from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.frames.geometry import place
from edgeseg.frames.instance import objects_in, paste_masks
from edgeseg.frames.results import InstanceResult
from edgeseg.spec import InputSpec, MaskPasting, Thresholds

FRAME_HW = (240, 320)


def full(crops: tuple, frame_hw: tuple[int, int]) -> NDArray[np.bool_]:
    count = len(crops)
    return InstanceResult(
        np.zeros((count, 4), np.float32),
        np.zeros(count, np.float32),
        np.zeros(count, np.int64),
        frame_hw,
        crops,
    ).masks


def test_a_full_mask_fills_its_box() -> None:
    # 2x2 of ones in a border of zeros is 4x4; the box 4..8 doubles to 2..10, nine pixels with both ends;
    # at 9 pixels over 4 samples the value crosses 0.5 where sample position -0.5 + (i + 0.5) * 4 / 9 is 0.5
    # and 2.5: at i = 1.75 and 6.25
    (crop,) = paste_masks(np.ones((1, 2, 2), np.float32), np.array([[4, 4, 8, 8]], np.float32), (20, 20))
    assert (crop.left, crop.top, crop.mask.shape) == (2, 2, (9, 9))
    inside = np.flatnonzero(crop.mask.any(axis=0)) + crop.left
    assert inside.tolist() == [4, 5, 6, 7, 8]


def test_a_mask_at_the_threshold_is_inside() -> None:
    (crop,) = paste_masks(
        np.full((1, 2, 2), 0.25, np.float32), np.array([[0, 0, 4, 4]], np.float32), (8, 8), threshold=0.25
    )
    assert crop.mask.any()


@pytest.mark.parametrize("frame_hw", [FRAME_HW, (480, 640), (1, 1)])
def test_masks_are_pasted_as_torchvision_does(frame_hw: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    roi_heads = pytest.importorskip("torchvision.models.detection.roi_heads")
    rng = np.random.default_rng(3)
    height, width = frame_hw
    centres = rng.uniform((0, 0), (width, height), (40, 2))
    halves = rng.uniform(0, 0.3, (40, 2)) * (width, height)
    boxes = np.hstack((centres - halves, centres + halves)).clip(0, (width, height) * 2).astype(np.float32)
    coarse = rng.normal(0, 3, (40, 6, 6)).astype(np.float32)
    logits = [cv2.resize(m, (28, 28), interpolation=cv2.INTER_CUBIC) for m in coarse]
    masks = 1 / (1 + np.exp(-np.stack(logits)))
    theirs = roi_heads.paste_masks_in_image(
        torch.from_numpy(masks)[:, None], torch.from_numpy(boxes), frame_hw
    )
    expected = (theirs[:, 0] >= 0.5).numpy()
    ours = full(paste_masks(masks, boxes, frame_hw), frame_hw)
    # interpolated values within float32 rounding of 0.5 may fall either way
    assert (ours != expected).sum() <= 1e-5 * max(expected.sum(), 1)


@pytest.mark.parametrize("frame_hw", [FRAME_HW, (480, 640), (1, 1)])
def test_masks_at_pixel_centres_are_those_that_grid_sample_gives(frame_hw: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    height, width = frame_hw
    corners = rng.uniform((0, 0), (width, height), (40, 2, 2))
    boxes = np.hstack((corners.min(axis=1), corners.max(axis=1))).astype(np.float32)
    coarse = rng.normal(0, 3, (40, 6, 6)).astype(np.float32)
    logits = [cv2.resize(m, (28, 28), interpolation=cv2.INTER_CUBIC) for m in coarse]
    masks = (1 / (1 + np.exp(-np.stack(logits)))).astype(np.float32)
    ours = full(paste_masks(masks, boxes, frame_hw, pasting="pixel_centres"), frame_hw)
    for mask, (left, top, right, bottom), found in zip(masks, boxes.astype(np.float64), ours, strict=True):
        # The centre of every pixel, from -1 to 1 across the box, as `grid_sample` takes it.
        x = torch.tensor((np.arange(width) + 0.5 - left) / (right - left) * 2 - 1)
        y = torch.tensor((np.arange(height) + 0.5 - top) / (bottom - top) * 2 - 1)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
        planes = torch.from_numpy(mask.astype(np.float64))[None, None]
        sampled = torch.nn.functional.grid_sample(planes, grid, align_corners=False)[0, 0].numpy()
        unsure = np.abs(sampled - 0.5) < 1e-5  # float32 rounding
        assert ((sampled >= 0.5) == found)[~unsure].all()


def test_a_mask_at_pixel_centres_by_hand() -> None:
    # A box from 1.25 to 3.25 has two samples at 1.75 and 2.75: pixel 1's centre 1.5 takes 3/4 of the first,
    # pixel 2's 2.5 a quarter of it and 3/4 of the second, pixel 3's 3.5 a quarter of the second.
    seen = []

    def decide(probabilities: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        seen.append(probabilities)
        return probabilities >= 0.5

    box = np.array([[1.25, 1.25, 3.25, 3.25]], np.float32)
    mask = np.array([[[1.0, 0.0], [0.0, 0.0]]], np.float32)
    (crop,) = paste_masks(mask, box, (6, 6), pasting="pixel_centres", decide=decide)
    along = np.array([0, 0.75, 0.25, 0])
    assert (crop.left, crop.top) == (0, 0)
    np.testing.assert_allclose(seen[0], np.outer(along, along))
    assert crop.mask.tolist() == (np.outer(along, along) >= 0.5).tolist()


@pytest.mark.parametrize("pasting", ["whole_pixels", "pixel_centres"])
def test_boxes_wholly_outside_have_no_pixels(pasting: MaskPasting) -> None:
    boxes = np.array([[-50, -50, -40, -40], [400, 10, 420, 30], [10, 300, 20, 310]], np.float32)
    crops = paste_masks(np.ones((3, 4, 4), np.float32), boxes, FRAME_HW, pasting=pasting)
    assert [crop.mask.size for crop in crops] == [0, 0, 0]
    assert not full(crops, FRAME_HW).any()


def test_objects_come_from_the_image_of_their_number() -> None:
    outputs = {
        "boxes": np.array([[[0, 0, 4, 4]], [[2, 2, 6, 8]]], np.float32),
        "scores": np.array([[0.9], [0.8]], np.float32),
        "class_ids": np.array([[1], [2]]),
        "masks": np.ones((2, 1, 4, 4), np.float32),
    }
    found = objects_in(outputs, 1, place((20, 30), InputSpec(10, 10)), Thresholds())
    assert (found.class_ids.tolist(), found.boxes.tolist()) == ([2], [[6, 4, 18, 16]])
