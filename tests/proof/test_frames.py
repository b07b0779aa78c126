"""Frames of 2 to 6 times the input's size prove resizing and placing: whatever is wrong in them fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.errors import ParityError
from edgeseg.frames import upsample
from edgeseg.frames.geometry import Placement, place
from edgeseg.frames.preprocess import Prepared, Preprocessor
from edgeseg.graph.golden.frames import GoldenFrame
from edgeseg.limits import VARIABLE
from edgeseg.proof import frames as proof
from edgeseg.proof.frames import drawing, frame_sizes, golden_frames, with_frames
from edgeseg.proof.report import ParityReport
from edgeseg.spec import InputSpec, ModelSpec, ResizeFilter, ResizePolicy
from tests.runtime.specs import instances_spec, logits_spec

SIZE_HW = (64, 96)
POLICIES: tuple[ResizePolicy, ...] = ("stretch", "letterbox", "shortest_edge")
FILTERS: tuple[ResizeFilter, ...] = ("linear", "antialias", "area", "pil")
Frame = NDArray[np.uint8]


def bright(images: Frame) -> Mapping[str, NDArray[Any]]:
    """Score dark and bright by the mean of 8x8 pixels, as a trained network would by more."""
    count, height, width, _ = images.shape
    cells = images[..., 1].reshape(count, height // 8, 8, width // 8, 8).mean(axis=(2, 4), dtype=np.float32)
    return {"logits": np.stack((128 - cells, cells - 128), axis=1).astype(np.float32)}


def boxes_at(shift: float, count: int = 2) -> Callable[[Frame], Mapping[str, NDArray[Any]]]:
    def run(images: Frame) -> Mapping[str, NDArray[Any]]:
        boxes = np.array([[4, 4, 40, 30], [50, 20, 90, 60]], np.float32)[:count] + np.float32(shift)
        of_one = {
            "boxes": boxes,
            "scores": np.array([0.9, 0.8], np.float32)[:count],
            "class_ids": np.array([1, 2])[:count],
            "masks": np.ones((count, 4, 4), np.float32),
        }
        return {name: np.stack([array] * len(images)) for name, array in of_one.items()}

    return run


def golden_of(spec: ModelSpec, run: Callable[[Frame], Mapping[str, NDArray[Any]]]) -> tuple[GoldenFrame, ...]:
    asked = [GoldenFrame(seed, size, {}) for seed, size in enumerate(frame_sizes(SIZE_HW))]
    return golden_frames(run, spec, asked, drawing(spec))


def proven(
    spec: ModelSpec,
    run: Callable[[Frame], Mapping[str, NDArray[Any]]],
    golden: tuple[GoldenFrame, ...],
) -> ParityReport:
    return with_frames(ParityReport(spec.task, 2, True, {}), run, spec, golden)


def test_sizes_are_2_and_3_and_6_times_the_inputs_and_of_other_shapes() -> None:
    assert frame_sizes((100, 200)) == [(200, 400), (220, 660), (600, 800)]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("resize", POLICIES)
def test_the_runtime_proves_itself(resize: ResizePolicy, kind: ResizeFilter, batch: int) -> None:
    spec = logits_spec(SIZE_HW, resize=resize, resize_filter=kind, batch=batch)
    report = proven(spec, bright, golden_of(spec, bright))
    assert report.failures == ()
    assert report.figures["frames"] == 3
    assert report.figures["frame_resize_error_levels"] <= 1
    assert report.figures["frame_label_agreement"] > 0.999
    assert report.figures["frame_misplaced_pixels"] == 0


def resizing_by(interpolation: int) -> Callable[[Frame, Frame, ResizeFilter], None]:
    def resize(frame: Frame, out: Frame, by: ResizeFilter) -> None:
        cv2.resize(frame, (out.shape[1], out.shape[0]), dst=out, interpolation=interpolation)

    return resize


def half_a_pixel_off(frame: Frame, out: Frame, by: ResizeFilter) -> None:
    """Take the corner of an output pixel for its centre, as aligned corners and integer division do."""
    x, y = np.meshgrid(np.arange(out.shape[1], dtype=np.float32), np.arange(out.shape[0], dtype=np.float32))
    scale_y, scale_x = frame.shape[0] / out.shape[0], frame.shape[1] / out.shape[1]
    places = (x * np.float32(scale_x), y * np.float32(scale_y))
    out[:] = cv2.remap(frame, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("resize", POLICIES)
@pytest.mark.parametrize(
    "wrong",
    [resizing_by(cv2.INTER_NEAREST), resizing_by(cv2.INTER_CUBIC), half_a_pixel_off],
    ids=["nearest", "cubic", "half a pixel off"],
)
def test_each_frame_notices_a_wrong_filter(
    wrong: Callable[..., None], resize: ResizePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = logits_spec(SIZE_HW, resize=resize)
    golden = golden_of(spec, bright)
    monkeypatch.setattr("edgeseg.frames.preprocess.resize", wrong)
    for frame in golden:
        report = proven(spec, bright, (frame,))
        assert not report.passed
        assert f"{frame.size_hw[0]}x{frame.size_hw[1]} comes into the input" in report.failures[0]


@pytest.mark.parametrize("told", FILTERS)
@pytest.mark.parametrize("used", FILTERS)
def test_a_filter_is_not_taken_for_another(
    used: ResizeFilter, told: ResizeFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeseg.frames.resize import resize

    spec = logits_spec(SIZE_HW, resize_filter=told)
    golden = golden_of(spec, bright)
    monkeypatch.setattr("edgeseg.frames.preprocess.resize", lambda frame, out, by: resize(frame, out, used))
    same = used == told or {used, told} == {"antialias", "pil"}  # which weigh alike and round otherwise
    for frame in golden[1:]:  # at exactly 2, linear and area are the same mean of four
        assert proven(spec, bright, (frame,)).passed == same


@pytest.mark.parametrize("resize", POLICIES)
def test_swapped_colours_are_noticed(resize: ResizePolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    class Swapping(Preprocessor):
        def __call__(self, frame: Frame) -> Prepared:
            prepared = super().__call__(frame)
            return prepared._replace(image=prepared.image[..., ::-1])

    spec = logits_spec(SIZE_HW, resize=resize)
    golden = golden_of(spec, bright)
    monkeypatch.setattr(proof, "Preprocessor", Swapping)
    assert not proven(spec, bright, golden).passed


@pytest.mark.parametrize(
    ("resize", "moved"), [("letterbox", (0, 0)), ("shortest_edge", (1, 1)), ("letterbox", (1, 1))]
)
def test_padding_on_the_other_side_is_noticed(
    resize: ResizePolicy, moved: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(frame_hw: tuple[int, int], spec: InputSpec) -> Placement:
        right = place(frame_hw, spec)
        free = spec.height - right.height, spec.width - right.width
        return dataclasses.replace(right, top=free[0] * moved[0], left=free[1] * moved[1])

    spec = logits_spec(SIZE_HW, resize=resize)
    golden = golden_of(spec, bright)
    monkeypatch.setattr("edgeseg.frames.preprocess.place", elsewhere)
    assert not proven(spec, bright, golden).passed


def test_labels_half_a_pixel_off_in_the_frame_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = logits_spec(SIZE_HW)
    golden = golden_of(spec, bright)
    aligned = [np.linspace(0, count - 1, side) for side, count in ((128, 8), (192, 12))]  # align_corners=True
    monkeypatch.setattr(Placement, "sample_rows", lambda self, count: aligned[0])
    monkeypatch.setattr(Placement, "sample_columns", lambda self, count: aligned[1])
    monkeypatch.setattr(upsample, "is_installed", lambda: False)  # OpenCV places two classes by itself
    upsample._axes.cache_clear()
    report = proven(spec, bright, golden[:1])
    upsample._axes.cache_clear()
    assert any("not where the network put them" in failure for failure in report.failures)


def test_other_labels_are_noticed_and_rounding_is_not() -> None:
    spec = logits_spec(SIZE_HW)
    golden = golden_of(spec, bright)

    def darker(images: Frame) -> Mapping[str, NDArray[Any]]:
        logits = bright(images)["logits"].copy()
        logits[:, 0] += 6
        return {"logits": logits}

    report = proven(spec, darker, golden)
    assert report.figures["frame_misplaced_pixels"] == 0
    assert "frame label agreement" in report.failures[0]
    unsteady = tuple(dataclasses.replace(frame, unsteady=frame.results["labels"].size) for frame in golden)
    assert proven(spec, darker, unsteady).passed


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("resize", POLICIES)
def test_objects_are_found_in_frames(resize: ResizePolicy, count: int) -> None:
    spec = instances_spec(2, SIZE_HW, resize=resize)
    golden = golden_of(spec, boxes_at(0, count))
    report = proven(spec, boxes_at(0, count), golden)
    assert report.failures == ()
    assert report.figures["frame_unmatched"] == 0
    assert report.figures["frame_box_error_px"] < 0.01
    if count:
        failures = proven(spec, boxes_at(30, count), golden).failures
        assert "objects of frames are found by one side alone" in failures[0]


def test_objects_that_tie_are_not_compared_but_resizing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = instances_spec(2, SIZE_HW)
    golden = tuple(frame.without_results() for frame in golden_of(spec, boxes_at(0)))
    report = proven(spec, boxes_at(30), golden)
    assert report.passed
    assert "their objects were not compared" in report.notes[0]
    monkeypatch.setattr("edgeseg.frames.preprocess.resize", resizing_by(cv2.INTER_NEAREST))
    assert not proven(spec, boxes_at(30), golden).passed


def test_a_model_without_frames_is_verified_as_before() -> None:
    report = ParityReport("semantic", 2, True, {})
    assert with_frames(report, bright, logits_spec(SIZE_HW), ()) is report


def test_no_frame_is_drawn_beyond_the_limit_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "pixels=50000")
    assert frame_sizes(SIZE_HW) == [(128, 192), (141, 317)]
    with pytest.raises(ParityError, match=r"a golden frame of 384x384 takes 0\.1475 million pixels"):
        proven(logits_spec(SIZE_HW), bright, (GoldenFrame(0, (384, 384), {}),))
