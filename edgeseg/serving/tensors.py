"""Turn tensors that clients send into frames, and results into the tensors that they get.

The names, types and shapes are the same for every server. A client sends one of

    frame     (b, H, W, C)  of the network's type; uint8 BGR of cameras, of any size
    picture   (b, 1)        BYTES: JPEG, PNG and what else OpenCV reads, of one size; cameras' networks only

and gets those that it asks for, or all, of

    labels      (b, H, W)     uint8    semantic: a class for every pixel of the frame
    masks       (b, C, H, W)  bool     of classes that may overlap: the pixels of each
    boxes       (b, D, 4)     float32  instance: xyxy in the frame's pixels, best score first
    scores      (b, D)        float32  0 fills up frames in which fewer objects were found than in another
    class_ids   (b, D)        int64
    masks       (b, D, H, W)  bool     of instances, at the frame's size
    masks_rle   (b, D)        BYTES    the same as COCO's run lengths, in JSON: small
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError, UsageError, shown
from edgeseg.frames.results import InstanceResult, Result, SemanticResult
from edgeseg.frames.rle import encode_crop
from edgeseg.limits import refuse_above
from edgeseg.serving.pictures import check_sides, decoded
from edgeseg.spec import InputSpec, ModelSpec

FRAME, PICTURE = "frame", "picture"
BYTES = "BYTES"
MOST_FRAMES = 64  # of a request, or the network's batch where that is more: other requests wait for it
VARIABLE = -1  # a size that depends on the request
DATATYPES: Mapping[str, str] = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "object": BYTES,
}
"""The names that the KServe protocol has for types, by numpy's."""
_FRAME_AXES = 4


class TensorSpec(NamedTuple):
    """A tensor of a request or of its answer; VARIABLE in `shape` is a size that depends on the request."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def tensors_in(spec: ModelSpec) -> tuple[TensorSpec, ...]:
    """Name what a request may hold, one of them."""
    taken = spec.input
    frame = TensorSpec(FRAME, DATATYPES[taken.dtype], (*(VARIABLE,) * 3, taken.channels))
    return (frame, TensorSpec(PICTURE, BYTES, (VARIABLE, 1))) if taken.takes_camera_frames else (frame,)


def tensors_out(spec: ModelSpec) -> tuple[TensorSpec, ...]:
    """Name what is given of a network."""
    if spec.task == "instance":
        return (
            TensorSpec("boxes", "FP32", (VARIABLE, VARIABLE, 4)),
            TensorSpec("scores", "FP32", (VARIABLE,) * 2),
            TensorSpec("class_ids", "INT64", (VARIABLE,) * 2),
            TensorSpec("masks", "BOOL", (VARIABLE,) * 4),
            TensorSpec("masks_rle", BYTES, (VARIABLE,) * 2),
        )
    labels = TensorSpec("labels", "UINT8", (VARIABLE,) * 3)
    if spec.head.kind != "multilabel":
        return (labels,)
    return (labels, TensorSpec("masks", "BOOL", (VARIABLE, len(spec.class_names), VARIABLE, VARIABLE)))


def frames_of(tensors: Mapping[str, NDArray[Any]], taken: InputSpec) -> list[NDArray[Any]]:
    """Give the frames (H, W, C) of a request, all of one size.

    Args:
        tensors: of the request by name; BYTES are arrays of objects.

    Raises:
        ShapeError: if there is neither a `frame` nor a `picture`, or one of another shape, or too many, or
            with numbers that are not finite.
        UsageError: if a picture cannot be read, or all together have too many pixels.
    """
    if len(tensors) != 1 or not set(tensors) <= {FRAME, PICTURE}:
        raise ShapeError(
            f"a request holds one tensor, {FRAME} or {PICTURE}, got {', '.join(tensors) or 'none'}"
        )
    if PICTURE in tensors:
        return _of_pictures(tensors[PICTURE], taken)
    frames = tensors[FRAME]
    fits = frames.ndim == _FRAME_AXES and frames.shape[3] == taken.channels and frames.size
    if not fits or frames.dtype != np.dtype(taken.dtype):
        raise ShapeError(
            f"{FRAME} must be (b, H, W, {taken.channels}) {taken.dtype}, got {frames.shape} {frames.dtype}; "
            "one frame is a batch of 1: frame[None]"
        )
    _check_count(len(frames), taken)
    check_sides(max(frames.shape[1:3]))
    refuse_above("pixels", math.prod(frames.shape[:3]), "what the request's frames hold", UsageError)
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        raise ShapeError(f"{FRAME} holds what is no finite number (NaN, infinity); give such pixels a value")
    return list(frames)


def outputs_of(spec: ModelSpec, wanted: Sequence[str] = ()) -> Sequence[str]:
    """Give the names of the outputs that a request wants; all if it names none.

    Raises:
        UsageError: if there is no such tensor.
    """
    known = [tensor.name for tensor in tensors_out(spec)]
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no output {shown(name)}; there are {', '.join(known)}")
    return wanted or known


def tensors_of(
    results: Sequence[Result], spec: ModelSpec, wanted: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """Give the tensors of one request's results.

    Args:
        results: of frames of one size.
        wanted: names of `tensors_out`; all if there are none. What is not wanted is not made.

    Raises:
        UsageError: if there is no such tensor, or one would be too large.
    """
    names = outputs_of(spec, wanted)
    makers = _of_objects if spec.task == "instance" else _of_labels
    return {name: makers[name](results) for name in names}


def _of_pictures(pictures: NDArray[Any], taken: InputSpec) -> list[NDArray[Any]]:
    if not taken.takes_camera_frames:
        raise ShapeError(f"this network takes no pictures; send {FRAME}")
    if pictures.ndim != 2 or pictures.shape[1] != 1 or not pictures.size:  # noqa: PLR2004
        raise ShapeError(f"{PICTURE} must be (b, 1) {BYTES}, got {pictures.shape}")
    _check_count(len(pictures), taken)
    return [*decoded([bytes(picture) for picture in pictures[:, 0]])]


def _check_count(frames: int, taken: InputSpec) -> None:
    most = max(MOST_FRAMES, taken.batch)
    if frames > most:
        raise ShapeError(f"a request holds at most {most} frames, got {frames}; send several")


def _filled(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack (D, ...) of frames with different D, filled with zeros."""
    most = max(map(len, values))
    filled = np.zeros((len(values), most, *values[0].shape[1:]), values[0].dtype)
    for row, value in zip(filled, values, strict=True):
        row[: len(value)] = value
    return filled


def _run_lengths(result: InstanceResult) -> NDArray[np.object_]:
    """Encode an object's mask as {"size": [H, W], "counts": "..."}."""
    encoded = np.empty(len(result), np.object_)
    for index, crop in enumerate(result.crops()):
        encoded[index] = json.dumps(encode_crop(crop.mask, crop.left, crop.top, result.frame_hw)).encode()
    return encoded


def _filled_run_lengths(results: Sequence[InstanceResult]) -> NDArray[np.object_]:
    filled = np.full((len(results), max(map(len, results))), b"", np.object_)
    for row, result in zip(filled, results, strict=True):
        row[: len(result)] = _run_lengths(result)
    return filled


def _whole_masks(results: Sequence[InstanceResult]) -> NDArray[np.bool_]:
    """Give masks (b, D, H, W) at the size of the frames."""
    shape = (len(results), max(map(len, results)), *results[0].frame_hw)
    refuse_above("bytes", math.prod(shape), "the output masks (ask for masks_rle instead)", UsageError)
    filled = np.zeros(shape, np.bool_)
    for row, result in zip(filled, results, strict=True):
        for mask, crop in zip(row, result.crops(), strict=False):
            mask[crop.window] = crop.mask
    return filled


def _overlapping(result: SemanticResult) -> NDArray[np.bool_]:
    assert result.masks is not None  # of a `multilabel` head
    return result.masks


_of_labels: Mapping[str, Callable[[Any], NDArray[Any]]] = {
    "labels": lambda results: np.stack([result.labels for result in results]),
    "masks": lambda results: np.stack([_overlapping(result) for result in results]),
}
_of_objects: Mapping[str, Callable[[Any], NDArray[Any]]] = {
    "boxes": lambda results: _filled([result.boxes for result in results]),
    "scores": lambda results: _filled([result.scores for result in results]),
    "class_ids": lambda results: _filled([result.class_ids for result in results]),
    "masks": _whole_masks,
    "masks_rle": _filled_run_lengths,
}
