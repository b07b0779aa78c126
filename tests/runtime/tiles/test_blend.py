"""Tiles blended: equal to the whole wherever the network's receptive field fits, and without a seam."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime import FakeBackend, Refinement, Segmenter
from edgeseg.runtime.tiles.blend import blended_logits, cover, joined_labels, tile_weights
from edgeseg.runtime.tiles.mosaic import Mosaic, lay_out
from edgeseg.runtime.tiles.tiling import Tiling
from edgeseg.spec import HeadSpec, ModelSpec, OutputSpec
from tests.runtime.specs import labels_spec, logits_spec

SIZE_HW = (64, 96)
OVERLAP = 0.25  # 16 and 24 pixels
SEES = 4  # pixels to each side: a quarter of 16

Starts = tuple[tuple[int, ...], int]


def blurred(images: np.ndarray, sees: int = SEES) -> np.ndarray:
    """Sum the blue of (N, H, W, 3) within `sees` pixels; beyond the image there is nothing."""
    size = (2 * sees + 1, 2 * sees + 1)
    return np.stack(
        [
            cv2.boxFilter(
                image[..., 0].astype(np.float64), -1, size, None, (-1, -1), False, cv2.BORDER_CONSTANT
            )
            for image in images
        ]
    )


def logits_by(sees: int, stride: int = 8) -> Callable[[np.ndarray], Mapping[str, Any]]:
    """Two classes whose scores are sums of a neighbourhood, at a stride: whole numbers, thus exact."""

    def compute(images: np.ndarray) -> Mapping[str, Any]:
        scores = blurred(images, sees)[:, stride // 2 :: stride, stride // 2 :: stride]
        even = 128.0 * (2 * sees + 1) ** 2
        return {"logits": np.stack((even - scores, scores - even), axis=1).astype(np.float32)}

    return compute


def segmenters(
    frame_hw: tuple[int, int], tiling: Tiling, sees: int = SEES, **options: Any
) -> tuple[Segmenter, Segmenter]:
    """Make one that cuts frames into tiles, and one whose network is as large as the canvas."""
    small = logits_spec(SIZE_HW)
    head = options.pop("head", small.head)
    small = dataclasses.replace(small, head=head)
    mosaic = lay_out(frame_hw, small, tiling)
    large = dataclasses.replace(logits_spec(mosaic.input_hw), head=head)
    compute = logits_by(sees)
    return (
        Segmenter(FakeBackend(small, compute).engine(), tiles=tiling, **options),
        Segmenter(FakeBackend(large, compute).engine(), **options),
    )


def picture(height: int, width: int) -> np.ndarray:
    """Soft blobs, so that there are regions and borders between them."""
    noise = np.random.default_rng(height + width).integers(0, 256, (height, width, 3), np.uint8)
    soft = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.asarray(cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX), np.uint8)


@pytest.mark.parametrize("frame_hw", [(160, 240), (64, 400), (208, 96), (112, 168)])
@pytest.mark.parametrize("options", [{}, {"confidence": True}, {"head": HeadSpec("multilabel")}])
def test_tiles_equal_the_whole_where_the_network_sees_no_further_than_a_quarter_of_their_overlap(
    frame_hw: tuple[int, int], options: dict[str, Any]
) -> None:
    tiled, whole = segmenters(frame_hw, Tiling(overlap=OVERLAP), **options)
    frame = picture(*frame_hw)
    found, expected = tiled(frame), whole(frame)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert len(np.unique(expected.labels)) == 2
    for name in ("confidence", "masks"):
        if getattr(expected, name) is not None:
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_the_logits_of_tiles_equal_those_of_the_whole_to_the_last_bit() -> None:
    frame = picture(160, 240)
    tiled, whole = segmenters((160, 240), Tiling(overlap=OVERLAP))
    prepared = tiled.preprocess(frame)
    assert isinstance(prepared.placement, Mosaic)
    blended = blended_logits(tiled.infer(prepared)["logits"], prepared.placement)
    np.testing.assert_array_equal(blended, whole.infer(whole.preprocess(frame))["logits"][0])


def test_a_network_that_sees_further_differs_only_near_the_borders_of_tiles() -> None:
    frame, sees = picture(160, 240), 12
    tiled, whole = segmenters((160, 240), Tiling(overlap=OVERLAP), sees)
    prepared = tiled.preprocess(frame)
    mosaic = prepared.placement
    assert isinstance(mosaic, Mosaic)
    blended = blended_logits(tiled.infer(prepared)["logits"], mosaic)
    differs = (blended != whole.infer(whole.preprocess(frame))["logits"][0]).any(axis=0)
    rows, columns = (
        clear_of_borders(starts, tile, canvas, sees)
        for starts, tile, canvas in zip((mosaic.tops, mosaic.lefts), SIZE_HW, mosaic.input_hw, strict=True)
    )
    assert differs.any()
    assert not differs[rows[:, None] & columns].any()


def clear_of_borders(starts: tuple[int, ...], tile: int, canvas: int, sees: int) -> np.ndarray:
    """Which samples, at stride 8, lie further than `sees` pixels within every tile that holds them."""
    centres = np.arange(4, canvas, 8)
    clear = np.ones(len(centres), bool)
    for start in starts:
        low, high = start - (start == 0) * canvas, start + tile + (start + tile == canvas) * canvas
        inside = (centres >= start) & (centres < start + tile)
        clear &= ~inside | ((centres - sees >= low) & (centres + sees < high))
    return clear


def test_a_crf_refines_the_blend_as_it_does_the_whole() -> None:
    tiled, whole = segmenters((160, 240), Tiling(overlap=OVERLAP), refinement=Refinement())
    frame = picture(160, 240)
    np.testing.assert_array_equal(tiled(frame).labels, whole(frame).labels)


def test_labels_meet_in_the_middle_of_the_overlap() -> None:
    def compute(images: np.ndarray) -> Mapping[str, Any]:
        return {"labels": (blurred(images) > 128 * (2 * SEES + 1) ** 2).astype(np.uint8)}

    small = labels_spec(SIZE_HW)
    tiled = Segmenter(FakeBackend(small, compute).engine(), tiles=Tiling(overlap=OVERLAP))
    whole = Segmenter(FakeBackend(labels_spec((160, 240)), compute).engine())
    frame = picture(160, 240)
    np.testing.assert_array_equal(tiled(frame).labels, whole(frame).labels)


def test_seams_lie_where_they_should() -> None:
    mosaic = lay_out((64, 168), labels_spec(SIZE_HW), Tiling(overlap=OVERLAP))
    assert isinstance(mosaic, Mosaic)
    assert mosaic.lefts == (0, 72)
    labels = np.stack([np.full(SIZE_HW, label, np.uint8) for label in (7, 9)])
    joined = joined_labels(labels, mosaic)
    assert (joined[:, :84] == 7).all()
    assert (joined[:, 84:] == 9).all()


def test_logits_without_a_grid_in_common_are_blended_in_pixels() -> None:
    def compute(images: np.ndarray) -> Mapping[str, Any]:
        ramp = np.arange(5, dtype=np.float32) - 2
        logits = np.stack([np.broadcast_to(ramp[:, None], (5, 7)), np.zeros((5, 7), np.float32)])
        return {"logits": np.stack([logits] * len(images))}

    spec = labels_spec(SIZE_HW)
    spec = dataclasses.replace(
        spec, output_kind="logits", outputs=(OutputSpec("logits", "float32", (1, 2, 5, 7)),)
    )
    segment = Segmenter(FakeBackend(spec, compute).engine(), tiles=Tiling(overlap=OVERLAP))
    labels = segment(picture(64, 168)).labels
    np.testing.assert_array_equal(labels[:32], 1)
    np.testing.assert_array_equal(labels[32:], 0)


def test_where_tiles_differ_one_fades_into_the_other() -> None:
    mosaic = lay_out((64, 168), spec_at_stride_1(), Tiling(overlap=OVERLAP))
    assert isinstance(mosaic, Mosaic)
    logits = np.stack([np.full((1, *SIZE_HW), value, np.float32) for value in (0, 1)])
    row = blended_logits(logits, mosaic)[0, 0]
    assert (np.diff(row) >= 0).all()
    assert (row[: 72 + 6] == 0).all()  # the overlap is 72 to 96
    assert (row[96 - 6 :] == 1).all()
    assert row[83] + row[84] == pytest.approx(1)
    assert np.abs(np.diff(row, 2)).max() < 0.05  # there is no kink


def spec_at_stride_1() -> ModelSpec:
    spec = labels_spec(SIZE_HW)
    outputs = (OutputSpec("logits", "float32", (1, 2, *SIZE_HW)),)
    return dataclasses.replace(spec, output_kind="logits", outputs=outputs)


@st.composite
def axes(draw: st.DrawFn) -> Starts:
    """Tiles along an axis: so many samples each, and no gap between them."""
    count = draw(st.integers(1, 40))
    steps = draw(st.lists(st.integers(1, count), max_size=6))
    return tuple(np.cumsum([0, *steps]).tolist()), count


@given(axes())
def test_weights_sum_to_one_everywhere_and_fall_to_nothing_at_borders_inside(axis: Starts) -> None:
    starts, count = axis
    total = np.zeros(starts[-1] + count)
    for i, (start, weight) in enumerate(zip(starts, tile_weights(starts, count), strict=True)):
        assert ((weight >= 0) & (weight <= 1 + 1e-12)).all()
        total[start : start + count] += weight
        before = starts[i - 1] + count - start if i else 0
        assert (weight[: before // 4] == 0).all()
    np.testing.assert_allclose(total, 1, atol=1e-12)


@given(axes())
def test_what_is_laid_over_amounts_to_the_weights(axis: Starts) -> None:
    starts, count = axis
    values = np.random.default_rng(0).normal(size=(len(starts), count))
    laid, expected = (np.zeros(starts[-1] + count) for _ in range(2))
    weights = tile_weights(starts, count)
    for start, share, weight, value in zip(starts, cover(starts, count), weights, values, strict=True):
        there = slice(start, start + count)
        laid[there] += (value - laid[there]) * share
        expected[there] += weight * value
    np.testing.assert_allclose(laid, expected, atol=1e-5)
