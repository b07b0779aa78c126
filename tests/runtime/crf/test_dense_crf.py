from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.errors import ShapeError, UsageError
from edgeseg.runtime.crf import DenseCRF, dense_crf, kernel, logits_from_probabilities, unary_from_labels
from edgeseg.spec import CRFSpec
from tests.runtime.crf import brute_force

SPEC = CRFSpec(30, 20, 13, 4, 2, 2, 5)
COMPILED = [name for name in kernel.runnable() if name != "numpy"]


def scene(count: int, size_hw: tuple[int, int] = (30, 37), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Give an image of noisy discs of one colour each, and noisy logits whose discs lie two pixels off."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    labels = np.zeros(size_hw, int)
    for label in range(1, count):
        cy, cx = rng.integers(0, size_hw[0]), rng.integers(0, size_hw[1])
        labels[(y - cy) ** 2 + (x - cx) ** 2 < (size_hw[0] / 3) ** 2] = label
    colours = rng.integers(0, 256, (count, 3))
    image = np.clip(colours[labels] + rng.normal(0, 5, (*size_hw, 3)), 0, 255).astype(np.uint8)
    shifted = np.roll(labels, (2, 2), (0, 1)) == np.arange(count)[:, None, None]
    return image, (shifted * 2.0 + rng.normal(0, 1, (count, *size_hw))).astype(np.float32)


def symmetric_matrix(count: int) -> np.ndarray:
    half = np.random.default_rng(1).uniform(0.5, 1.5, (count, count))
    return (half + half.T) * (1 - np.eye(count)) / 2


@cache
def exact_marginals(
    count: int,
    spec: CRFSpec,
    normalisation: str,
    *,
    size_hw: tuple[int, int] = (30, 37),
    has_matrix: bool = False,
) -> np.ndarray:
    """Compute the marginals of a scene over all pairs of pixels, once for all kernels."""
    image, logits = scene(count, size_hw)
    matrix = symmetric_matrix(count) if has_matrix else None
    return brute_force.marginals(logits, image, spec, mode=normalisation, compatibility=matrix)


@pytest.mark.parametrize("count", [2, 3, 7, 21])
@pytest.mark.parametrize("normalisation", ["symmetric", "before", "after"])
@pytest.mark.parametrize("has_matrix", [False, True])
@pytest.mark.usefixtures("each_kernel")
def test_agrees_with_mean_field_over_all_pairs(count, normalisation, has_matrix):
    image, logits = scene(count)
    matrix = symmetric_matrix(count) if has_matrix else None
    exact = exact_marginals(count, SPEC, normalisation, has_matrix=has_matrix)
    field = DenseCRF(SPEC, compatibility=matrix, normalisation=normalisation, settle=False)
    found = field(logits, image, marginals=True)
    # the lattice is an approximation of the Gaussian; a tenth of these pixels change their label
    assert (found.labels == exact.argmax(axis=0)).mean() > 0.98
    assert np.abs(found.marginals - exact).mean() < 0.006
    assert (found.labels != logits.argmax(axis=0)).mean() > 0.1


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.usefixtures("each_kernel")
def test_unnormalised_kernels_agree_with_mean_field_over_all_pairs(count):
    image, logits = scene(count)
    spec = CRFSpec(30, 20, 13, 0.08, 2, 0.04, 5)
    exact = exact_marginals(count, spec, "none")
    found = DenseCRF(spec, normalisation="none")(logits, image)
    assert (found.labels == exact.argmax(axis=0)).mean() > 0.99


@pytest.mark.parametrize("normalisation", ["symmetric", "before", "after", "none"])
@pytest.mark.parametrize("width_px", [0.5, 2, 2.8, 5, 8, 12, 20])
@pytest.mark.usefixtures("each_kernel")
def test_the_smoothness_kernel_has_its_size_at_every_width(normalisation, width_px):
    """From 2.8 px on the kernel filters on coarser cells, which hold the sums of 4, 16 or 64 pixels.

    What is left is its interpolation between cells, coarsest at the edges of so small an image.
    """
    image, logits = scene(3, (24, 29))
    weight = 4 / (2 * np.pi * width_px**2) if normalisation == "none" else 4
    spec = CRFSpec(24, 20, 13, 0, width_px, weight, 3)
    exact = exact_marginals(3, spec, normalisation, size_hw=(24, 29))
    found = DenseCRF(spec, normalisation=normalisation, settle=False)(logits, image, marginals=True)
    assert np.abs(found.marginals - exact).mean() < 0.02
    assert (found.labels == exact.argmax(axis=0)).mean() > 0.95


def test_an_asymmetric_matrix_is_taken_row_by_row_and_pydensecrf_takes_its_symmetric_part():
    image, logits = scene(4)
    matrix = np.random.default_rng(3).uniform(0.2, 2, (4, 4)) * (1 - np.eye(4))
    exact = brute_force.marginals(logits, image, SPEC, compatibility=matrix).argmax(axis=0)
    ours = DenseCRF(SPEC, compatibility=matrix, settle=False)(logits, image).labels
    assert (ours == exact).mean() > 0.99
    assert (
        ours == brute_force.marginals(logits, image, SPEC, compatibility=matrix.T).argmax(axis=0)
    ).mean() < 0.9
    densecrf = pytest.importorskip("pydensecrf.densecrf", reason="pydensecrf2 is not installed")
    theirs = densecrf.DenseCRF2D(37, 30, 4)
    theirs.setUnaryEnergy(np.ascontiguousarray(-logits.reshape(4, -1)))
    smoothness, appearance = (np.float32(weight * matrix) for weight in (2, 4))
    theirs.addPairwiseGaussian(sxy=2, compat=smoothness)
    theirs.addPairwiseBilateral(sxy=20, srgb=13, rgbim=image, compat=appearance)
    expected = np.array(theirs.inference(5)).argmax(axis=0).reshape(30, 37)
    assert (ours == expected).mean() < 0.9
    symmetric = DenseCRF(SPEC, compatibility=(matrix + matrix.T) / 2)(logits, image).labels
    assert (symmetric == expected).mean() > 0.99


@pytest.mark.usefixtures("each_kernel")
def test_two_pixels_by_hand():
    # smoothness alone, width 1: the other pixel weighs e = exp(-1/2), itself 1; K 1 = 1 + e for both.
    # Q starts at (1/2, 1/2) on the right; one iteration gives it weight * (Q_left e + Q_right) / (1 + e).
    logits = np.array([[[2.0, 0.0]], [[0.0, 0.0]]], np.float32)
    left = 1 / (1 + np.exp(-2.0))
    e = np.exp(-0.5)
    message = 3 * ((2 * left - 1) * e) / (1 + e)  # of label 0, less that of label 1
    expected = 1 / (1 + np.exp(-message))
    field = DenseCRF(CRFSpec(1, 1, 1, 0, 1, 3, 1))
    found = field(logits, np.zeros((1, 2, 3), np.uint8), marginals=True)
    assert found.marginals[0, 0, 1] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("count", [2, 5, 12])
@pytest.mark.usefixtures("each_kernel")
def test_settled_pixels_and_threads_change_next_to_nothing(count):
    image, logits = scene(count, (120, 161))
    every = DenseCRF(SPEC, settle=False)(logits, image).labels
    assert (DenseCRF(SPEC)(logits, image).labels == every).mean() > 0.998
    assert (DenseCRF(SPEC, threads=2)(logits, image).labels == every).mean() > 0.998


@pytest.mark.usefixtures("each_kernel")
def test_coarse_logits_are_upsampled_between_their_centres():
    image, logits = scene(3, (32, 40))
    coarse = logits[:, ::4, ::4].copy()
    upsampled = dense_crf._upsampled(coarse, dense_crf._positions(None, (32, 40), (8, 10)))
    assert upsampled[0, 1, 1] == pytest.approx(coarse[0, 0, 0])  # before the first centre, at 1.5
    assert upsampled[0, 5, 1] == pytest.approx(coarse[0, 0, 0] / 8 + coarse[0, 1, 0] * 7 / 8)  # 7/8 between
    field = DenseCRF(SPEC)
    a, b = field(coarse, image, marginals=True), field(upsampled, image, marginals=True)
    assert np.abs(a.marginals - b.marginals).max() < 1e-3


@pytest.mark.parametrize("count", [2, 5, 9])
@pytest.mark.usefixtures("each_kernel")
def test_marginals_are_probabilities_and_labels_their_best(count):
    image, logits = scene(count)
    found = DenseCRF(SPEC)(logits, image, marginals=True)
    assert found.marginals.sum(axis=0) == pytest.approx(1, abs=1e-4)
    picked = np.take_along_axis(found.marginals, found.labels[None].astype(int), axis=0)[0]
    assert np.all(picked >= found.marginals.max(axis=0) - 1e-6)


@pytest.mark.parametrize("count", [2, 5, 12])
@pytest.mark.usefixtures("each_kernel")
def test_tiles_that_take_no_part_keep_the_logits_labels_and_are_not_heard(count):
    image, logits = scene(count, (50, 67))
    field = DenseCRF(SPEC)
    tiles = np.zeros((13, 17), bool)
    tiles[:, 5:11] = True  # columns 20..43
    found = field(logits, image, tiles=tiles, marginals=True)
    outside = np.r_[0:20, 44:67]
    softmax = np.exp(logits - logits.max(axis=0))
    softmax /= softmax.sum(axis=0)
    assert np.array_equal(found.labels[:, outside], logits.argmax(axis=0)[:, outside])
    assert found.marginals[..., outside] == pytest.approx(softmax[..., outside], abs=2e-3)
    alone = field(logits[..., 20:44], np.ascontiguousarray(image[:, 20:44])).labels
    assert (found.labels[:, 20:44] == alone).mean() > 0.97  # the smoothness kernel's edge lies elsewhere
    assert np.array_equal(
        field(logits, image, tiles=np.ones((13, 17), bool)).labels, field(logits, image).labels
    )


@pytest.mark.parametrize("name", COMPILED)
def test_labels_that_are_likely_nowhere_get_nothing(monkeypatch, name):
    monkeypatch.setenv(kernel.VARIABLE, name)
    image, logits = scene(3)
    padded = np.insert(logits, 1, -20.0, axis=0)
    found = DenseCRF(SPEC)(padded, image, marginals=True)
    assert np.all(found.marginals[1] == 0)
    assert np.array_equal(np.array([0, 2, 3])[DenseCRF(SPEC)(logits, image).labels], found.labels)


@pytest.mark.usefixtures("each_kernel")
def test_one_label_and_one_pixel():
    image = np.zeros((5, 4, 3), np.uint8)
    found = DenseCRF()(np.zeros((1, 5, 4), np.float32), image, marginals=True)
    assert np.all(found.labels == 0)
    assert np.all(found.marginals == 1)
    assert DenseCRF()(np.array([[[0.0]], [[1.0]]]), image[:1, :1]).labels.item() == 1


@pytest.mark.parametrize("name", COMPILED)
def test_frames_of_different_sizes_leave_no_trace(monkeypatch, name):
    monkeypatch.setenv(kernel.VARIABLE, name)
    large, small = scene(4, (90, 70)), scene(12, (17, 23))
    field = DenseCRF(SPEC)
    field(large[1], large[0])
    again = field(small[1], small[0], marginals=True)
    fresh = DenseCRF(SPEC)(small[1], small[0], marginals=True)
    assert np.array_equal(again.labels, fresh.labels)
    assert np.array_equal(again.marginals, fresh.marginals)


def test_two_threads_may_share_one_object():
    frames = [scene(3, seed=seed) for seed in range(4)] * 4
    field = DenseCRF(SPEC)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda frame: field(frame[1], frame[0]).labels, frames))
    for labels, (image, logits) in zip(found, frames, strict=True):
        assert np.array_equal(labels, field(logits, image).labels)


@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("count", [2, 9])
@pytest.mark.parametrize("normalisation", ["symmetric", "before", "after", "none"])
def test_numpy_gives_the_same_as_what_is_compiled(monkeypatch, name, count, normalisation):
    image, logits = scene(count, (60, 70))
    found = []
    for one in (name, "numpy"):
        monkeypatch.setenv(kernel.VARIABLE, one)
        field = DenseCRF(SPEC, normalisation=normalisation, settle=False)
        found.append(field(logits, image, marginals=True))
    assert (found[0].labels == found[1].labels).mean() > 0.995
    assert np.abs(found[0].marginals - found[1].marginals).mean() < 0.003


def test_the_missing_kernel_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(dense_crf._log, "disabled", False)  # import-linter switches loggers off
    monkeypatch.setattr(kernel, "runnable", lambda: ("numpy",))
    dense_crf._say_slow.cache_clear()
    with caplog.at_level(logging.WARNING):
        DenseCRF()
        DenseCRF()
    assert [r.message for r in caplog.records if "C++ compiler" in r.message] == [caplog.records[0].message]
    dense_crf._say_slow.cache_clear()


@pytest.mark.parametrize(("setting", "parameters"), [("A", (80, 13, 10)), ("B", (67, 3, 4))])
@pytest.mark.parametrize("count", [2, 5])
def test_agrees_with_pydensecrf(setting, parameters, count):
    densecrf = pytest.importorskip("pydensecrf.densecrf", reason="pydensecrf2 is not installed")
    position, colour, weight = parameters
    image, logits = scene(count, (120, 160))
    theirs = densecrf.DenseCRF2D(160, 120, count)
    theirs.setUnaryEnergy(np.ascontiguousarray(-logits.reshape(count, -1)))
    theirs.addPairwiseGaussian(sxy=3, compat=3)
    theirs.addPairwiseBilateral(sxy=position, srgb=colour, rgbim=image, compat=weight)
    expected = np.array(theirs.inference(5)).argmax(axis=0).reshape(120, 160)
    ours = DenseCRF(CRFSpec(120, position, colour, weight, 3, 3, 5))(logits, image).labels
    assert (ours == expected).mean() >= 0.995, setting


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


IMAGE, LOGITS = np.zeros((4, 6, 3), np.uint8), np.zeros((2, 4, 6), np.float32)


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


def test_unary_from_labels_by_hand():
    labels = np.array([[0, 2, 255]], np.uint8)
    unary = unary_from_labels(labels, 3, confidence=0.8)
    assert np.exp(unary[:, 0, 0]) == pytest.approx([0.8, 0.1, 0.1])
    assert np.exp(unary[:, 0, 1]) == pytest.approx([0.1, 0.1, 0.8])
    assert np.exp(unary[:, 0, 2]) == pytest.approx([1 / 3] * 3)


def test_unary_from_labels_takes_a_confidence_for_each_pixel():
    unary = unary_from_labels(np.zeros((1, 2), np.uint8), 2, confidence=np.array([[0.6, 0.9]]))
    assert np.exp(unary[0, 0]) == pytest.approx([0.6, 0.9])


@pytest.mark.parametrize(
    ("labels", "count", "confidence", "error"),
    [
        (np.zeros((2, 2), int), 2, 0.7, ShapeError),
        (np.full((2, 2), 2, np.uint8), 2, 0.7, ShapeError),
        (np.zeros((2, 2), np.uint8), 2, 1.0, UsageError),
    ],
)
def test_unary_from_labels_refuses(labels, count, confidence, error):
    with pytest.raises(error):
        unary_from_labels(labels, count, confidence=confidence)


def test_probabilities_become_logits():
    logits = logits_from_probabilities(np.array([[[0.25, 0.0]], [[0.75, 1.0]]]))
    assert np.exp(logits) == pytest.approx(np.array([[[0.25, 1e-6]], [[0.75, 1.0]]]))
    with pytest.raises(ShapeError, match="must be 0 to 1"):
        logits_from_probabilities(np.full((2, 1, 1), 1.5))
