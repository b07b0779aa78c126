"""The pairs found have the largest sum there is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.metrics.assignment import largest_sum


def test_the_best_pair_is_not_always_taken() -> None:
    """9 + 1 is less than 8 + 7."""
    assert largest_sum(np.array([[9.0, 8.0], [7.0, 1.0]])).tolist() == [[0, 1], [1, 0]]


def test_the_longer_side_leaves_some_over() -> None:
    gains = np.array([[1.0, 5.0, 2.0]])
    assert largest_sum(gains).tolist() == [[0, 1]]
    assert largest_sum(gains.T).tolist() == [[1, 0]]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_has_no_pairs(shape: tuple[int, int]) -> None:
    assert largest_sum(np.zeros(shape)).shape == (0, 2)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_no_other_pairs_have_a_larger_sum(rows: int, columns: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    gains = rng.integers(0, 4, (rows, columns)).astype(float) if ties else rng.random((rows, columns))
    pairs = largest_sum(gains)
    assert pairs.shape == (min(rows, columns), 2)
    assert all(len(np.unique(side)) == len(pairs) for side in pairs.T)
    wide = gains if rows <= columns else gains.T
    best = max(wide[range(len(wide)), order].sum() for order in permutations(range(wide.shape[1]), len(wide)))
    assert gains[tuple(pairs.T)].sum() == pytest.approx(best)
