from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeseg.errors import ShapeError
from edgeseg.runtime.crf.fit import Example, fit, score
from edgeseg.runtime.crf.refinement import DEFAULT
from edgeseg.runtime.crf.scores import ScoreSheet
from edgeseg.runtime.geometry import place
from edgeseg.spec import CRFSpec, InputSpec


def half(column: int, size_hw: tuple[int, int] = (20, 20)) -> np.ndarray:
    """Label everything from a column on as 1."""
    return np.broadcast_to((np.arange(size_hw[1]) >= column).astype(np.uint8), size_hw).copy()


def scores_of(truth: np.ndarray, labels: np.ndarray, **options):
    sheet = ScoreSheet(2, **options)
    sheet.add(truth, labels)
    return sheet.scores()


@pytest.mark.parametrize("column", [10, 11, 12, 13, 14])
def test_boundary_by_hand(column: int):
    # the true boundary is columns 9 (class 0) and 10 (class 1); each class's own lies `column - 10` beside it
    found = scores_of(half(10), half(column))
    shift = column - 10
    assert found.boundary_f == (1.0 if shift <= 2 else 0.0)
    assert found.miou == pytest.approx(((200 / (200 + 20 * shift)) + (200 - 20 * shift) / 200) / 2)


def test_a_half_found_boundary_has_half_the_precision():
    # class 1: columns 10.. in truth; predicted also columns 0 and 1, whose boundary is near nothing
    labels = half(10)
    labels[:, :2] = 1
    sheet = ScoreSheet(2)
    sheet.add(half(10), labels)
    # class 1: precision 1/2, recall 1; class 0: its predicted boundary is columns 2 and 9, so the same
    assert sheet.scores().boundary_f == pytest.approx(2 / 3)


@given(arrays(np.uint8, (12, 15), elements=st.integers(0, 1)))
def test_the_truth_itself_is_perfect(labels: np.ndarray):
    assert scores_of(labels, labels) == (1.0, 1.0)


def test_unknown_pixels_are_not_counted():
    truth = half(10)
    truth[:, 10:15] = 255
    found = scores_of(truth, half(12))
    assert found == (1.0, 1.0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="must have one shape"):
        scores_of(half(3), half(3, (4, 4)))
    with pytest.raises(ShapeError, match="below 2 or 255, got 7"):
        scores_of(np.full((3, 3), 7, np.uint8), half(1, (3, 3)))


def examples(count: int) -> list[Example]:
    """Give frames with a disc, and logits at stride 16 of its blocks, with noise."""
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:64, :96]
        cy, cx = rng.integers(20, 44), rng.integers(30, 66)
        truth = ((y - cy) ** 2 + (x - cx) ** 2 < 15**2).astype(np.uint8)
        frame = np.clip(80 + 90 * truth[..., None] + rng.normal(0, 8, (64, 96, 3)), 0, 255).astype(np.uint8)
        share = truth.reshape(4, 16, 6, 16).mean(axis=(1, 3), dtype=np.float32)
        share += rng.normal(0, 0.15, share.shape).astype(np.float32)
        logits = np.stack([0.5 - share, share - 0.5]) * 4
        made.append(Example(logits, place((64, 96), InputSpec(64, 96)), frame, truth))
    return made


def test_fitting_draws_boundaries_better_and_costs_no_overlap():
    known, unseen = examples(6)[:3], examples(6)[3:]
    fitted = fit(known, CRFSpec(480), trials=(8, 4))
    assert fitted == fit(known, CRFSpec(480), trials=(8, 4))
    before, after = score(unseen, None), score(unseen, fitted)
    assert after.boundary_f > before.boundary_f + 0.03
    assert after.miou >= before.miou
    assert score(known, fitted).boundary_f >= score(known, DEFAULT).boundary_f
