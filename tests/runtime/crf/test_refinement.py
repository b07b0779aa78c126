from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.frames.geometry import place
from edgeseg.runtime.crf import DenseCRF
from edgeseg.runtime.crf.budget import Level
from edgeseg.runtime.crf.refinement import DEFAULT, Refinement, boundary_tiles, doubled_labels
from edgeseg.spec import InputSpec


def scene(height: int = 60, width: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give a frame with a bright disc, its labels, and logits at stride 4 that miss its edge."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    labels = ((y - height / 2) ** 2 + (x - width / 2) ** 2 < (height / 3) ** 2).astype(np.uint8)
    frame = np.clip(60 + 120 * labels[..., None] + rng.normal(0, 6, (height, width, 3)), 0, 255)
    coarse = np.roll(labels, 3, axis=1)[2::4, 2::4]
    logits = np.stack([1.0 - coarse, coarse]).astype(np.float32) * 3
    return frame.astype(np.uint8), labels, logits + rng.normal(0, 0.3, logits.shape).astype(np.float32)


@pytest.mark.usefixtures("each_kernel")
def test_refined_labels_follow_the_frame_better_than_the_logits():
    frame, labels, logits = scene()
    placement = place(frame.shape[:2], InputSpec(60, 80))
    plain = logits.argmax(axis=0).repeat(4, axis=0).repeat(4, axis=1)
    refined = Refinement()(logits, placement, frame).labels
    assert (refined == labels).mean() > 0.99 > (plain == labels).mean()


@pytest.mark.usefixtures("each_kernel")
def test_widths_follow_the_height_of_the_frame():
    frame, _, logits = scene()
    placement = place(frame.shape[:2], InputSpec(60, 80))
    positions = placement.sample_rows(15), placement.sample_columns(20)
    by_hand = DenseCRF(DEFAULT.scaled_to(60))(logits, frame, positions=positions).labels
    assert np.array_equal(Refinement()(logits, placement, frame).labels, by_hand)


@pytest.mark.usefixtures("each_kernel")
def test_letterboxed_logits_are_read_where_the_picture_is():
    frame, labels, _ = scene()
    spec = InputSpec(80, 80, resize="letterbox")  # ten rows of bars above and below
    logits = np.zeros((2, 80, 80), np.float32)
    logits[1, 10:70] = labels * 6.0 - 3
    refined = Refinement()(logits, place((60, 80), spec), frame).labels
    assert (refined == labels).mean() > 0.99


@pytest.mark.usefixtures("each_kernel")
def test_a_budget_that_cannot_be_met_ends_with_a_band_at_half_resolution_and_still_refines():
    frame, labels, logits = scene(61, 79)
    placement = place(frame.shape[:2], InputSpec(60, 80))
    refine = Refinement(budget_ms=1e-3)
    for _ in range(8):
        result = refine(logits, placement, frame, confidence=True)
    assert refine.budget.level.half
    assert refine.budget.level.band
    assert result.labels.shape == result.confidence.shape == (61, 79)
    assert (result.labels == labels).mean() > 0.97


def test_the_band_holds_the_tiles_around_a_boundary():
    # labels change between samples 11 and 12, at pixel 48 of 96: tile 12; the samples reach one tile further
    logits = np.zeros((2, 16, 24), np.float32)
    logits[1, :, 12:] = 1
    rows, columns = (np.arange(size) / 4 - 0.375 for size in (62, 96))
    tiles = boundary_tiles(logits, rows, columns)
    assert tiles.shape == (16, 24)
    assert np.array_equal(tiles, np.broadcast_to(abs(np.arange(24) - 11.5) < 3, (16, 24)))


@pytest.mark.usefixtures("each_kernel")
def test_no_boundary_leaves_no_band():
    logits = np.zeros((3, 5, 5), np.float32)
    frame = np.zeros((20, 20, 3), np.uint8)
    placement = place((20, 20), InputSpec(20, 20))
    assert not boundary_tiles(logits, placement.sample_rows(5), placement.sample_columns(5)).any()
    found = Refinement().at(Level(2, band=True), logits, placement, frame)
    assert np.all(found.labels == 0)


@pytest.mark.usefixtures("each_kernel")
def test_doubling_takes_the_nearest_colour_of_the_four_around():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (7, 9), np.uint8)
    image, frame = rng.integers(0, 256, (7, 9, 3), np.uint8), rng.integers(0, 256, (13, 18, 3), np.uint8)
    expected = np.empty((13, 18), np.uint8)
    for y, x in np.ndindex(13, 18):
        rows = [y // 2, min(max(y // 2 + 2 * (y % 2) - 1, 0), 6)]
        columns = [x // 2, min(max(x // 2 + 2 * (x % 2) - 1, 0), 8)]
        around = [(r, c) for c in columns for r in rows]
        distance = [((image[at].astype(int) - frame[y, x]) ** 2).sum() for at in around]
        expected[y, x] = labels[around[int(np.argmin(distance))]]
    assert np.array_equal(doubled_labels(labels, image, frame), expected)


@pytest.mark.usefixtures("each_kernel")
def test_doubling_follows_colour():
    # a half-size column border between 1 and 2; in the frame the dark colour reaches one column further
    labels = np.array([[0, 0, 1, 1]] * 2, np.uint8)
    image = np.where(labels[..., None], 200, 20).astype(np.uint8).repeat(3, axis=2)
    frame = np.full((4, 8, 3), 200, np.uint8)
    frame[:, :5] = 20
    assert np.array_equal(
        doubled_labels(labels, image, frame), (np.arange(8) >= 5).astype(np.uint8)[None].repeat(4, 0)
    )


def test_refuses_a_budget_of_nothing():
    with pytest.raises(UsageError, match="above 0 ms, got 0"):
        Refinement(budget_ms=0)
