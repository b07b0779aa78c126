"""Requests become frames, and results become tensors, as clients of every server see them."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeseg.errors import ShapeError, UsageError
from edgeseg.frames.results import InstanceResult, MaskCrop, SemanticResult
from edgeseg.limits import VARIABLE
from edgeseg.serving.tensors import frames_of, tensors_in, tensors_of, tensors_out
from edgeseg.spec import HeadSpec
from tests.runtime.specs import instances_spec, labels_spec, logits_spec

CAMERA = labels_spec().input


def of_bytes(*pictures: bytes) -> Any:
    return np.array([[one] for one in pictures], np.object_)


def objects(count: int) -> InstanceResult:
    boxes = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    crops = tuple(MaskCrop(1, 2, np.ones((2, 3), np.bool_)) for _ in range(count))
    return InstanceResult(boxes, np.full(count, 0.9, np.float32), np.arange(count), (6, 8), crops)


def test_frames_with_fewer_objects_are_filled_up_with_scores_of_0() -> None:
    found = tensors_of([objects(1), objects(3)], instances_spec())
    assert {name: value.shape for name, value in found.items()} == {
        "boxes": (2, 3, 4),
        "scores": (2, 3),
        "class_ids": (2, 3),
        "masks": (2, 3, 6, 8),
        "masks_rle": (2, 3),
    }
    assert [name for name, _, _ in tensors_out(instances_spec())] == list(found)
    np.testing.assert_array_equal(found["scores"][0] > 0, [True, False, False])
    assert found["masks"][0].sum() == 6
    assert list(found["masks_rle"][0, 1:]) == [b"", b""]


def test_no_objects_are_no_rows() -> None:
    found = tensors_of([objects(0)], instances_spec(), ["boxes", "masks", "masks_rle"])
    assert {name: value.shape for name, value in found.items()} == {
        "boxes": (1, 0, 4),
        "masks": (1, 0, 6, 8),
        "masks_rle": (1, 0),
    }


def test_classes_that_overlap_come_with_masks() -> None:
    spec = dataclasses.replace(logits_spec(), head=HeadSpec("multilabel"))
    result = SemanticResult(np.zeros((6, 8), np.uint8), masks=np.ones((2, 6, 8), np.bool_))
    assert {name: value.shape for name, value in tensors_of([result], spec).items()} == {
        "labels": (1, 6, 8),
        "masks": (1, 2, 6, 8),
    }


def test_what_is_not_given_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="no output 'boxes'; there are labels"):
        tensors_of([SemanticResult(np.zeros((6, 8), np.uint8))], labels_spec(), ["boxes"])


def test_a_batch_of_frames_or_of_pictures() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), np.uint8)
    np.testing.assert_array_equal(frames_of({"frame": frames}, CAMERA), frames)
    pictures = of_bytes(*(cv2.imencode(".png", frame)[1].tobytes() for frame in frames))
    np.testing.assert_array_equal(frames_of({"picture": pictures}, CAMERA), frames)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({}, "one tensor, frame or picture, got none"),
        ({"image": np.zeros((1, 6, 8, 3), np.uint8)}, "got image"),
        ({"frame": np.zeros((6, 8, 3), np.uint8)}, r"one frame is a batch of 1: frame\[None\]"),
        ({"frame": np.zeros((1, 6, 8, 3), np.float32)}, r"\(b, H, W, 3\) uint8, got .* float32"),
        ({"frame": np.zeros((1, 0, 8, 3), np.uint8)}, r"got \(1, 0, 8, 3\)"),
        ({"picture": np.array([b"x"], np.object_)}, r"picture must be \(b, 1\) BYTES"),
    ],
)
def test_other_tensors_are_refused_with_what_to_send(sent: dict[str, Any], why: str) -> None:
    with pytest.raises(ShapeError, match=why):
        frames_of(sent, CAMERA)


def test_pictures_that_are_none_or_of_several_sizes_are_refused() -> None:
    for broken in (b"", b"no picture"):
        with pytest.raises(UsageError, match="no picture that OpenCV reads"):
            frames_of({"picture": of_bytes(broken)}, CAMERA)
    small, large = (cv2.imencode(".png", np.zeros((n, n, 3), np.uint8))[1].tobytes() for n in (4, 5))
    with pytest.raises(ShapeError, match="must be of one size"):
        frames_of({"picture": of_bytes(small, large)}, CAMERA)
    other = labels_spec(channel_order="stored", dtype="uint16")
    assert [name for name, _, _ in tensors_in(other)] == ["frame"]
    with pytest.raises(ShapeError, match="takes no pictures; send frame"):
        frames_of({"picture": of_bytes(small)}, other.input)


def test_what_frames_and_pictures_declare_is_bounded_for_all_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "pixels=1m")
    picture = cv2.imencode(".png", np.zeros((700, 800, 3), np.uint8))[1].tobytes()
    assert len(frames_of({"picture": of_bytes(picture)}, CAMERA)) == 1
    with pytest.raises(UsageError, match=r"what the request's pictures hold takes 1\.12 million pixels"):
        frames_of({"picture": of_bytes(picture, picture)}, CAMERA)
    with pytest.raises(UsageError, match=r"what the request's frames hold takes 1\.12 million pixels"):
        frames_of({"frame": np.zeros((2, 700, 800, 3), np.uint8)}, CAMERA)
    deep = cv2.imencode(".png", np.zeros((700, 800, 3), np.uint16))[1].tobytes()
    with pytest.raises(UsageError, match=r"takes 1\.12 million pixels"):
        frames_of({"picture": of_bytes(deep)}, CAMERA)


def test_a_request_has_at_most_so_many_frames_and_sides_so_many_pixels() -> None:
    with pytest.raises(ShapeError, match="a request holds at most 64 frames, got 65; send several"):
        frames_of({"frame": np.zeros((65, 1, 1, 3), np.uint8)}, CAMERA)
    with pytest.raises(ShapeError, match="at most 64 frames, got 65"):
        frames_of({"picture": of_bytes(*[b""] * 65)}, CAMERA)
    with pytest.raises(ShapeError, match="sides have at most 65536 pixels, got 70000"):
        frames_of({"frame": np.zeros((1, 1, 70_000, 3), np.uint8)}, CAMERA)
    wide = labels_spec(batch=80).input
    assert len(frames_of({"frame": np.zeros((80, 1, 1, 3), np.uint8)}, wide)) == 80


def test_a_picture_that_ends_too_soon_takes_no_memory() -> None:
    """A chunk may declare 2 GB, which OpenCV allocates if it is asked."""
    png = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    with pytest.raises(UsageError, match="ends too soon; send the whole file"):
        frames_of({"picture": of_bytes(png[:33] + b"\x7f\xff\xff\xfftEXt" + bytes(60))}, CAMERA)


@pytest.mark.parametrize("kind", ["avif", "jpeg", "png"])
def test_a_picture_is_turned_as_it_says(kind: str) -> None:
    picture = Image.fromarray(np.zeros((16, 24, 3), np.uint8))
    picture.paste((255, 255, 255), (0, 0, 24, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the right
    data = io.BytesIO()
    picture.save(data, kind, exif=exif)
    (frame,) = frames_of({"picture": of_bytes(data.getvalue())}, CAMERA)
    assert frame.shape == (24, 16, 3)
    assert (frame[4, 4].max(), frame[4, 12].min()) == pytest.approx((0, 255), abs=4)


def test_frames_with_what_is_no_number_are_refused() -> None:
    taken = labels_spec(channel_order="stored", dtype="float32").input
    frames = np.zeros((1, 4, 4, 3), np.float32)
    frames[0, 1, 1, 1] = np.nan
    with pytest.raises(ShapeError, match="no finite number"):
        frames_of({"frame": frames}, taken)


def test_masks_too_large_are_refused_with_the_smaller_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "bytes=100")
    with pytest.raises(UsageError, match="ask for masks_rle instead"):
        tensors_of([objects(3)], instances_spec(), ["masks"])
    assert tensors_of([objects(3)], instances_spec(), ["masks_rle"])
