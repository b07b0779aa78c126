from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.frames.geometry import place
from edgeseg.runtime.crf import DenseCRF
from edgeseg.runtime.crf.instances import DEFAULT, InstanceRefinement, object_logits
from edgeseg.runtime.instance import instance_result
from edgeseg.spec import CRFSpec, InputSpec, Thresholds

FRAME_HW = (96, 128)
PLACEMENT = place(FRAME_HW, InputSpec(*FRAME_HW))
BOXES = [
    [14.0, 10.0, 66.0, 62.0],
    [80.0, 40.0, 140.0, 100.0],
]  # about the discs; the second is cut
STRONG = CRFSpec(height=96, appearance_position_px=20, appearance_weight=5, iterations=5)


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give a frame with two bright discs, and their masks (2, H, W)."""
    y, x = np.mgrid[: FRAME_HW[0], : FRAME_HW[1]]
    truth = np.stack([(y - 36) ** 2 + (x - 40) ** 2 < 22**2, (y - 70) ** 2 + (x - 110) ** 2 < 25**2])
    grey = 60 + 120 * truth.any(axis=0)[..., None] + rng.normal(0, 6, (*FRAME_HW, 3))
    return np.clip(grey, 0, 255).astype(np.uint8), truth


def detections(masks: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "boxes": np.array([BOXES], np.float32),
        "scores": np.array([[0.8, 0.9]], np.float32),
        "class_ids": np.array([[1, 2]], np.int64),
        "masks": masks[None],
    }


def soft_masks() -> np.ndarray:
    """Give 8x8 probabilities: round, but far too coarse to follow a disc."""
    y, x = np.mgrid[:8, :8] - 3.5
    return np.repeat(np.where(y**2 + x**2 < 3.0**2, 0.8, 0.2)[None], 2, axis=0).astype(np.float32)


def overlap(masks: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return (masks & truth).sum(axis=(1, 2)) / (masks | truth).sum(axis=(1, 2))


@pytest.mark.usefixtures("each_kernel")
def test_refined_masks_follow_the_frame_better_than_the_networks() -> None:
    frame, truth = scene(np.random.default_rng(0))
    outputs = detections(soft_masks())
    plain = instance_result(outputs, PLACEMENT, Thresholds())
    refined = InstanceRefinement(STRONG)(outputs, PLACEMENT, frame, Thresholds())
    for name in ("boxes", "scores", "class_ids"):
        np.testing.assert_array_equal(getattr(refined, name), getattr(plain, name))
    assert [crop.window for crop in refined.crops()] == [crop.window for crop in plain.crops()]
    by_score = truth[::-1]
    assert overlap(refined.masks, by_score).min() > 0.97 > overlap(plain.masks, by_score).max()


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_without_iterations_the_threshold_alone_decides(threshold: float) -> None:
    rng = np.random.default_rng(1)
    frame, _ = scene(rng)
    outputs, thresholds = detections(rng.random((2, 8, 8), np.float32)), Thresholds(mask=threshold)
    plain = instance_result(outputs, PLACEMENT, thresholds).masks
    same = InstanceRefinement(CRFSpec(96, iterations=0))(outputs, PLACEMENT, frame, thresholds).masks
    assert (plain != same).mean() < 1e-3  # beliefs have 15 bits: near ties


@pytest.mark.usefixtures("each_kernel")
def test_each_object_is_refined_in_its_window_with_widths_of_the_frames_height() -> None:
    frame, _ = scene(np.random.default_rng(0))
    outputs, thresholds = detections(soft_masks()), Thresholds()
    field = DenseCRF(DEFAULT.scaled_to(FRAME_HW[0]))
    by_hand = instance_result(
        outputs,
        PLACEMENT,
        thresholds,
        decide=lambda found, window: field(object_logits(found, 0.5), frame[window]).labels == 0,
    )
    refined = InstanceRefinement()(outputs, PLACEMENT, frame, thresholds)
    assert np.array_equal(refined.masks, by_hand.masks)


def test_logits_are_those_of_the_object_and_the_rest() -> None:
    logits = object_logits(np.array([[0.0, 0.5, 0.8, 1.0]], np.float32), 0.5)
    # log(0.02 / 0.98), log 1, log 4, log(0.98 / 0.02)
    np.testing.assert_allclose(logits[0], [[-3.8918, 0, 1.3863, 3.8918]], atol=1e-4)
    assert not logits[1].any()
    np.testing.assert_array_equal(object_logits(np.full((1, 1), 0.3, np.float32), 0.3), 0)


def test_objects_beyond_the_budget_keep_the_networks_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, _ = scene(np.random.default_rng(0))
    outputs = detections(soft_masks())
    plain = instance_result(outputs, PLACEMENT, Thresholds()).masks
    refined = InstanceRefinement(STRONG)(outputs, PLACEMENT, frame, Thresholds()).masks
    clock_s = iter(np.arange(0, 100, 1.0))  # every look at the clock is a second later
    monkeypatch.setattr("edgeseg.runtime.crf.instances.time.perf_counter", lambda: next(clock_s))
    refine = InstanceRefinement(STRONG, budget_ms=3500)  # seconds 1 and 2 for the first, which took 1
    first, second = refine(outputs, PLACEMENT, frame, Thresholds()).masks
    assert np.array_equal(first, refined[0])
    assert np.array_equal(second, plain[1])


def test_one_slow_object_does_not_end_refinement_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, _ = scene(np.random.default_rng(0))
    outputs = detections(soft_masks())
    refined = InstanceRefinement(STRONG)(outputs, PLACEMENT, frame, Thresholds()).masks
    clock_s = iter(
        [0, 0, *np.arange(1000, 1001, 1e-4)]
    )  # the first object takes 1000 s, all others next to none
    monkeypatch.setattr("edgeseg.runtime.crf.instances.time.perf_counter", lambda: next(clock_s))
    refine = InstanceRefinement(STRONG, budget_ms=100)
    found = [refine(outputs, PLACEMENT, frame, Thresholds()).masks for _ in range(80)]
    assert not np.array_equal(found[1], refined)
    assert np.array_equal(found[-1], refined)


def test_refuses_a_budget_of_nothing() -> None:
    with pytest.raises(UsageError, match="above 0 ms, got 0"):
        InstanceRefinement(budget_ms=0)
