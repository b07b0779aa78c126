from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from edgeseg.runtime.crf import DenseCRF, dense_crf, kernel
from edgeseg.spec import CRFSpec
from tests.runtime.crf import brute_force
from tests.runtime.crf.noisy_scenes import scene

SPEC = CRFSpec(30, 20, 13, 4, 2, 2, 5)
COMPILED = [name for name in kernel.runnable() if name != "numpy"]


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


@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("count", [2, 9])
def test_numpy_gives_the_same_where_narrow_widths_take_more_vertices_than_32_bits_name(
    monkeypatch, name, count
):
    image, logits = scene(count, (60, 70))
    narrow = CRFSpec(30, 1, 2, 4, 2, 2, 5)
    monkeypatch.setenv(kernel.VARIABLE, "numpy")
    expected = DenseCRF(narrow)(logits, image).labels
    monkeypatch.setenv(kernel.VARIABLE, name)
    for threads in (1, 2):
        found = DenseCRF(narrow, threads=threads, settle=False)(logits, image).labels
        assert (found == expected).mean() > 0.995


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
