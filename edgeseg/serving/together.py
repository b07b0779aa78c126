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
    work = _Work(segmenter, len(requests))
    for number, frames in enumerate(requests):
        work.add(number, frames)
    work.finish()
    return work.outcomes


def told_as(error: Exception) -> EdgesegError:
    """Give what a client is told of an error; one that was not raised on purpose is written to the log."""
    if isinstance(error, EdgesegError):
        return error
    logging.getLogger(__name__).error("a request failed", exc_info=error)
    return EngineError(f"the server failed at this request: {type(error).__name__}: {error}")


class _Work:
    """Frames on their way through the network, a batch at a time, and what has become of requests.

    Attributes:
        outcomes: of the requests, by their numbers.
    """

    def __init__(self, segmenter: Segmenter, requests: int) -> None:
        self.outcomes: list[Outcome] = [[] for _ in range(requests)]
        self._segmenter = segmenter
        self._batch: list[_Prepared] = []

    def add(self, request: int, frames: Sequence[NDArray[Any]]) -> None:
        """Prepare a request's frames, and compute the batches that they fill; stop where one fails."""
        most = self._segmenter.engine.batch_shape[0]
        try:
            _check_overlapping(frames, self._segmenter.spec)
            for frame in frames:
                images, placement = self._segmenter.preprocess(frame)
                if most > 1:
                    images = images.copy()  # what was prepared is overwritten by the next
                self._batch.append(_Prepared(request, frame, images, placement))
                if len(self._batch) >= most:
                    self.finish()
                if isinstance(self.outcomes[request], EdgesegError):
                    return
        except Exception as error:
            self.outcomes[request] = told_as(error)
            self._batch = [one for one in self._batch if one.request != request]

    def finish(self) -> None:
        """Compute what is in the batch, and put each frame's result to those of its request."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        images = [one.images for one in batch]
        try:
            outputs = self._segmenter.engine.infer(images[0] if len(images) == 1 else np.concatenate(images))
        except Exception as error:
            for one in batch:
                self.outcomes[one.request] = told_as(error)
            return
        first = 0
        for one in batch:
            own = {name: values[first : first + len(one.images)] for name, values in outputs.items()}
            first += len(one.images)
            self._keep(one, own)

    def _keep(self, one: _Prepared, outputs: dict[str, NDArray[Any]]) -> None:
        """Make a frame's result, unless its request has failed."""
        found = self.outcomes[one.request]
        if isinstance(found, EdgesegError):
            return
        try:
            found.append(self._segmenter.finish(outputs, one.placement, one.frame))
            refuse_above("bytes", sum(map(_mask_bytes, found)), "what is found in the request", UsageError)
        except Exception as error:
            self.outcomes[one.request] = told_as(error)


def _check_overlapping(frames: Sequence[NDArray[Any]], spec: ModelSpec) -> None:
    """Raise UsageError if masks of classes that may overlap would be too large."""
    if spec.head.kind == "multilabel":
        pixels = sum(frame.shape[0] * frame.shape[1] for frame in frames)
        refuse_above("bytes", pixels * len(spec.class_names), "the masks of the request's frames", UsageError)


def _mask_bytes(result: Result) -> int:
    return sum(crop.mask.nbytes for crop in result.crops()) if isinstance(result, InstanceResult) else 0
