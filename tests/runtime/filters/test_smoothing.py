"""Labels are steadied where the picture stands still, and count at once where it moves."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg.frames.results import SemanticResult
from edgeseg.metrics.boundary import boundary_counts, mean_boundary_f
from edgeseg.metrics.flicker import flicker, flicker_counts
from edgeseg.runtime.filters import LabelSmoothing
from edgeseg.runtime.filters.smoothing import LONGEST_GAP_S, MOST_VOTES
from edgeseg.runtime.frame import Frame
from edgeseg.scenes.scene import CLASS_NAMES, animate
from tests.runtime.fakes import two_animals

SIZE_HW = (24, 32)
STILL = np.full((*SIZE_HW, 3), 90, np.uint8)
CLASSES = len(CLASS_NAMES)


def _all(label: int) -> SemanticResult:
    return SemanticResult(np.full(SIZE_HW, label, np.uint8))


def _run(labels: list[int], *, images: list[np.ndarray] | None = None) -> list[int]:
    """Give the label of one pixel of a picture whose labels are all the same."""
    smooth = LabelSmoothing()
    images = images or [STILL] * len(labels)
    return [
        int(smooth(Frame(image, i, float(i), media_s=i / 10), _all(label)).labels[12, 16])
        for i, (label, image) in enumerate(zip(labels, images, strict=True))
    ]


def test_a_settled_label_bears_single_frames_that_say_otherwise() -> None:
    assert _run([1, 1, 1, 2, 1, 2, 1]) == [1] * 7


def test_a_label_changes_once_more_votes_are_against_it() -> None:
    """Three votes for 1; the third frame in a row that says 2 changes it, which then has one vote."""
    assert _run([1, 1, 1, 2, 2, 2, 1, 1]) == [1, 1, 1, 1, 1, 2, 1, 1]


def test_no_label_takes_longer_to_change_than_the_most_votes() -> None:
    assert _run([1] * 50 + [2] * MOST_VOTES) == [1] * (50 + MOST_VOTES - 1) + [2]


def test_where_the_picture_moves_the_label_counts_at_once() -> None:
    smooth = LabelSmoothing()
    for index in range(5):
        smooth(Frame(STILL, index, float(index)), _all(1))
    image = STILL.copy()
    image[:, 24:] = 200
    labels = smooth(Frame(image, 5, 5.0), _all(2)).labels
    assert (labels[:, 24:] == 2).all()
    assert (labels[:, :12] == 1).all()


@pytest.mark.parametrize(
    "last",
    [
        (Frame(STILL, 5, 5.0 + LONGEST_GAP_S), _all(2)),  # after a gap
        (Frame(255 - STILL, 5, 5.0), _all(2)),  # a cut
        (Frame(STILL[:20], 5, 5.0), SemanticResult(np.full((20, 32), 2, np.uint8))),  # another size
    ],
)
def test_another_picture_begins_anew(last: tuple[Frame, SemanticResult]) -> None:
    smooth = LabelSmoothing()
    for index in range(5):
        smooth(Frame(STILL, index, float(index)), _all(1))
    assert smooth(*last) is last[1]


def test_confidence_and_masks_stay_with_their_labels() -> None:
    smooth = LabelSmoothing()

    def result(label: int, confidence: float) -> SemanticResult:
        masks = np.zeros((3, *SIZE_HW), np.bool_)
        masks[label] = True
        return SemanticResult(
            np.full(SIZE_HW, label, np.uint8), np.full(SIZE_HW, confidence, np.float32), masks
        )

    for index in range(3):
        smooth(Frame(STILL, index, float(index)), result(1, 0.9))
    held = smooth(Frame(STILL, 3, 3.0), result(2, 0.6))
    assert (held.labels == 1).all()
    assert held.confidence is not None
    assert held.masks is not None
    assert np.allclose(held.confidence, 0.9)
    assert held.masks.any(axis=(1, 2)).tolist() == [False, True, False]
    again = smooth(Frame(STILL, 4, 4.0), result(1, 0.7))
    assert again.confidence is not None
    assert np.allclose(again.confidence, 0.7)  # of this frame, which confirms the label


def test_results_are_not_changed_by_the_next_frame() -> None:
    smooth = LabelSmoothing()
    results = []
    for index, label in enumerate([1, 1, 1, 2, 2]):
        given_result = _all(label)
        results.append(smooth(Frame(STILL, index, float(index)), given_result))
        assert (given_result.labels == label).all()
    assert [int(one.labels[0, 0]) for one in results] == [1, 1, 1, 1, 1]


def test_instances_are_refused() -> None:
    with pytest.raises(UsageError, match="takes semantic labels, got instances"):
        LabelSmoothing()(Frame(STILL, 0, 0.0), two_animals())


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 3))
def test_a_still_picture_settles_and_then_never_changes(before: list[int], label: int) -> None:
    assert _run([*before, *[label] * (MOST_VOTES + 4)])[-4:] == [label] * 4


def _disturbed(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels whose boundaries, and here and there more, are another in each frame."""
    planes = []
    for class_id in range(CLASSES):
        soft = cv2.GaussianBlur((truth == class_id).astype(np.float32), (0, 0), 1.5)
        doubt = rng.standard_normal((truth.shape[0] // 6, truth.shape[1] // 6)).astype(np.float32)
        planes.append(soft + 0.25 * cv2.resize(doubt, truth.shape[::-1], interpolation=cv2.INTER_CUBIC))
    return np.stack(planes).argmax(axis=0).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scenes_flicker_less_and_boundaries_lie_no_worse(seed: int) -> None:
    """Half of the objects rest, half move over a noisy ground."""
    smooth, rng = LabelSmoothing(), np.random.default_rng(seed)
    changes, edges = np.zeros((2, 2), np.int64), np.zeros((2, CLASSES, 2, 2), np.int64)
    true_pixels = np.zeros(CLASSES, np.int64)
    before: list[np.ndarray] = []
    for index, scene in enumerate(itertools.islice(animate(seed, resting=0.5), 25)):
        raw = _disturbed(scene.labels, rng)
        steady = smooth(Frame(scene.image, index, index / 30), SemanticResult(raw)).labels
        for way, labels in enumerate((raw, steady)):
            edges[way] += boundary_counts(scene.labels, labels, CLASSES)
            if before:
                changes[way] += flicker_counts((before[0], scene.labels), (before[1 + way], labels))
        true_pixels += np.bincount(scene.labels.ravel(), minlength=CLASSES)
        before = [scene.labels, raw, steady]
    assert flicker(changes[1]) < 0.7 * flicker(changes[0])
    assert mean_boundary_f(edges[1], true_pixels) >= mean_boundary_f(edges[0], true_pixels)


@pytest.mark.parametrize("speed", [1, 3])
def test_a_camera_that_turns_from_the_first_frame_on_leaves_boundaries_where_they_are(speed: int) -> None:
    """Of true labels, any that is held back is wrong."""
    smooth, edges = LabelSmoothing(), np.zeros((CLASSES, 2, 2), np.int64)
    true_pixels = np.zeros(CLASSES, np.int64)
    for index, scene in enumerate(itertools.islice(animate(4, (120, 240), crowding=2.0, resting=1.0), 30)):
        view = np.s_[:, speed * index : speed * index + 140]
        image, truth = np.ascontiguousarray(scene.image[view]), np.ascontiguousarray(scene.labels[view])
        labels = smooth(Frame(image, index, index / 30), SemanticResult(truth)).labels
        edges += boundary_counts(truth, labels, CLASSES)
        true_pixels += np.bincount(truth.ravel(), minlength=CLASSES)
    assert mean_boundary_f(edges, true_pixels) > 0.98
