"""Requests become frames, and results become tensors, as clients of every server see them."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest

from edgeseg.errors import ShapeError, UsageError
from edgeseg.frames.results import InstanceResult, MaskCrop, SemanticResult
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
