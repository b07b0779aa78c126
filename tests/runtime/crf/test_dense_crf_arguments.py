"""The CRF gives labels or a clear error, whatever it is given."""

from __future__ import annotations

import os
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.errors import ShapeError, UsageError
from edgeseg.runtime.crf import DenseCRF, kernel
from edgeseg.spec import CRFSpec
from tests.runtime.crf.noisy_scenes import scene

IMAGE, LOGITS = np.zeros((4, 6, 3), np.uint8), np.zeros((2, 4, 6), np.float32)


@settings(max_examples=150)
@given(
    size_hw=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    grid_hw=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    count=st.integers(1, 30),
    widths=st.tuples(*[st.sampled_from([1e-30, 1e-3, 0.5, 3, 80, 1e4, 1e30])] * 3),
    weights=st.tuples(*[st.sampled_from([0, 1e-3, 3, 1e6])] * 2),
    iterations=st.integers(0, 3),
    spread=st.sampled_from([0, 1, 30, 1e5]),
    normalisation=st.sampled_from(["symmetric", "before", "after", "none"]),
    constant=st.booleans(),
    threads=st.integers(1, 2),
    share=st.sampled_from([None, 0, 0.5]),
    name=st.sampled_from(kernel.runnable()),
)
def test_any_input_gives_labels_or_an_error(
    *,
    name,
    size_hw,
    grid_hw,
    count,
    widths,
    weights,
    iterations,
    spread,
    normalisation,
    constant,
    threads,
    share,
):
    rng = np.random.default_rng(0)
    image = np.full((*size_hw, 3), 7, np.uint8) if constant else rng.integers(0, 256, (*size_hw, 3), np.uint8)
    logits = np.clip(rng.normal(0, spread, (count, *grid_hw)), -1e5, 1e5)
    spec = CRFSpec(1, widths[0], widths[1], weights[0], widths[2], weights[1], iterations)
    tiles = None if share is None else rng.random(tuple(-(-side // 4) for side in size_hw)) < share
    with mock.patch.dict(os.environ, {kernel.VARIABLE: name}):
        field = DenseCRF(spec, normalisation=normalisation, threads=threads)
    found = field(logits, image, marginals=True, tiles=tiles)
    assert found.labels.shape == size_hw
    assert found.labels.max() < count
    assert np.all((found.marginals >= 0) & (found.marginals <= 1))
    assert found.marginals.sum(axis=0) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.usefixtures("each_kernel")
def test_refuses_logits_that_are_not_finite(value, count):
    field = DenseCRF()
    logits = np.zeros((count, 20, 20), np.float32)
    logits[count - 1, 11, 13] = value
    with pytest.raises(ShapeError, match="must be finite"):
        field(logits, np.zeros((20, 20, 3), np.uint8))


@pytest.mark.parametrize(
    ("logits", "image", "positions", "message"),
    [
        (LOGITS[None], IMAGE, None, r"logits must be \(C, h, w\).*logits\[0\]"),
        (np.zeros((256, 4, 6)), IMAGE, None, "1 to 255 classes"),
        (LOGITS[:, :0], IMAGE, None, "logits must be"),
        (LOGITS.astype(int), IMAGE, None, "unary_from_labels"),
        (LOGITS, IMAGE[..., 0], None, "image must be"),
        (LOGITS, IMAGE.astype(float), None, "image must be"),
        (LOGITS, IMAGE, (np.zeros(4), np.zeros(5)), r"positions must be \(4,\) and \(6,\)"),
        (LOGITS, IMAGE, (np.full(4, np.nan), np.zeros(6)), "positions must be finite"),
    ],
)
def test_refuses_arrays_that_do_not_fit(logits, image, positions, message):
    with pytest.raises(ShapeError, match=message):
        DenseCRF()(logits, image, positions=positions)


@pytest.mark.parametrize("tiles", [np.ones((1, 1), bool), np.ones((1, 2), np.uint8), np.ones((2, 2), bool)])
def test_refuses_tiles_that_do_not_fit(tiles):
    with pytest.raises(ShapeError, match=r"tiles must be \(1, 2\) bool"):
        DenseCRF()(LOGITS, IMAGE, tiles=tiles)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalisation": "half"}, "normalisation must be one of"),
        ({"threads": 0}, "threads must be 1 to"),
    ],
)
def test_refuses_parameters_out_of_range(options, message):
    with pytest.raises(UsageError, match=message):
        DenseCRF(**options)


@pytest.mark.parametrize("iterations", [-1, 1001, 2**31, 2**64])
def test_refuses_iterations_out_of_range(iterations):
    with pytest.raises(UsageError, match=f"iterations must be 0 to 1000, got {iterations}"):
        DenseCRF()(LOGITS, IMAGE, iterations=iterations)


def test_refuses_a_matrix_of_another_size():
    with pytest.raises(ShapeError, match=r"compatibility must be a finite \(C, C\)"):
        DenseCRF(compatibility=np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="compatibility is for 3 classes, logits have 2"):
        DenseCRF(compatibility=np.zeros((3, 3)))(LOGITS, IMAGE)


@pytest.mark.parametrize("cost", [3e38, -3e38, 1e300, np.nan, np.inf])
def test_refuses_a_matrix_of_numbers_that_float32_cannot_add(cost):
    with pytest.raises(ShapeError, match="compatibility must"):
        DenseCRF(compatibility=np.array([[0, cost], [1, 0]]))


@pytest.mark.parametrize(("cost", "weight"), [(1e29, 3), (1, 1e29), (1e20, 1e15)])
def test_refuses_costs_that_float32_cannot_add(cost, weight):
    field = DenseCRF(CRFSpec(4, smoothness_weight=weight), compatibility=cost * (1 - np.eye(2)))
    with pytest.raises(UsageError, match="scale them down"):
        field(LOGITS, IMAGE)


@pytest.mark.parametrize("normalisation", ["symmetric", "none"])
@pytest.mark.parametrize("count", [2, 3, 9])
@pytest.mark.usefixtures("each_kernel")
def test_the_largest_costs_give_labels(normalisation, count):
    image, logits = scene(count)
    matrix = 1e20 * (1 - np.eye(count))
    options = {"compatibility": matrix, "normalisation": normalisation}
    spec = CRFSpec(30, smoothness_weight=1e5, appearance_weight=1e5)
    found = DenseCRF(spec, **options)(logits, image, marginals=True)
    assert found.labels.max() < count
    assert found.marginals.sum(axis=0) == pytest.approx(1, abs=2e-3)
