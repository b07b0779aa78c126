"""Segment frames of several requests together, in the network's batches, each request by its own outcome."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import EdgesegError, EngineError, UsageError
from edgeseg.frames.geometry import Placement
from edgeseg.frames.results import InstanceResult, Result
from edgeseg.limits import refuse_above
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.spec import ModelSpec

Outcome = list[Result] | EdgesegError
"""Results of a request's frames, or why there are none."""


class _Prepared(NamedTuple):
    """A frame of a request, and its images (K, H, W, C)."""

    request: int
    frame: NDArray[Any]
    images: NDArray[Any]
    placement: Placement


def answered(segmenter: Segmenter, requests: Sequence[Sequence[NDArray[Any]]]) -> list[Outcome]:
    """Segment the frames (H, W, C) of requests, each of any size; no more than a batch is prepared at a time.

    A frame that fails takes its own request's results with it, and no other's.
    """
    outcomes: list[Outcome] = [[] for _ in requests]
    batch: list[_Prepared] = []
    for number, frames in enumerate(requests):
        _add(segmenter, number, frames, batch, outcomes)
    _finish(segmenter, batch, outcomes)
    return outcomes


def told_as(error: Exception) -> EdgesegError:
    """Give what a client is told of an error; one that was not raised on purpose is written to the log."""
    if isinstance(error, EdgesegError):
        return error
    logging.getLogger(__name__).error("a request failed", exc_info=error)
    return EngineError(f"the server failed at this request: {type(error).__name__}: {error}")


def _add(
    segmenter: Segmenter,
    number: int,
    frames: Sequence[NDArray[Any]],
    batch: list[_Prepared],
    outcomes: list[Outcome],
) -> None:
    """Prepare a request's frames for batches, and compute those that are full."""
    most = segmenter.engine.batch_shape[0]
    try:
        _check_overlapping(frames, segmenter.spec)
        for frame in frames:
            images, placement = segmenter.preprocess(frame)
            if most > 1:
                images = images.copy()  # what was prepared is overwritten by the next
            batch.append(_Prepared(number, frame, images, placement))
            if len(batch) >= most:
                _finish(segmenter, batch, outcomes)
                batch.clear()
            if isinstance(outcomes[number], EdgesegError):
                return
    except Exception as error:
        outcomes[number] = told_as(error)
        batch[:] = [one for one in batch if one.request != number]


def _finish(segmenter: Segmenter, batch: Sequence[_Prepared], outcomes: list[Outcome]) -> None:
    """Compute a batch, and put each frame's result to those of its request."""
    if not batch:
        return
    images = [one.images for one in batch]
    try:
        outputs = segmenter.engine.infer(images[0] if len(images) == 1 else np.concatenate(images))
    except Exception as error:
        for one in batch:
            outcomes[one.request] = told_as(error)
        return
    first = 0
    for one in batch:
        own = {name: values[first : first + len(one.images)] for name, values in outputs.items()}
        first += len(one.images)
        found = outcomes[one.request]
        if isinstance(found, EdgesegError):
            continue
        try:
            found.append(segmenter.finish(own, one.placement, one.frame))
            refuse_above("bytes", sum(map(_mask_bytes, found)), "what is found in the request", UsageError)
        except Exception as error:
            outcomes[one.request] = told_as(error)


def _check_overlapping(frames: Sequence[NDArray[Any]], spec: ModelSpec) -> None:
    """Raise UsageError if masks of classes that may overlap would be too large."""
    if spec.head.kind == "multilabel":
        pixels = sum(frame.shape[0] * frame.shape[1] for frame in frames)
        refuse_above("bytes", pixels * len(spec.class_names), "the masks of the request's frames", UsageError)


def _mask_bytes(result: Result) -> int:
    return sum(crop.mask.nbytes for crop in result.crops()) if isinstance(result, InstanceResult) else 0
