"""Answer inference requests of the KServe protocol by an engine: what each replica of a server does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from edgeseg.errors import EdgesegError, EngineError
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.serving.codings import PLAIN, packed, taken, unpacked
from edgeseg.serving.tensors import frames_of, outputs_of, tensors_of
from edgeseg.serving.together import Outcome, answered, told_as
from edgeseg.serving.v2 import InferRequest, read_request, write_answer
from edgeseg.spec import ModelSpec

OK, BAD_REQUEST, FAILED = 200, 400, 500
MOST_FAILED = 3  # requests that an engine may fail at, one after another, before it is opened anew


@dataclass(frozen=True)
class EngineSettings:
    """How each replica opens the engine.

    Attributes:
        engine: a folder that `edgeseg build` made.
        device: where it runs; None stands for where it was built for.
        threads: of each replica's inferences.
        score_threshold: of instances; None stands for the engine's.
        crf: refine labels, or masks.
    """

    engine: Path
    device: str | None = None
    threads: int | None = 1
    score_threshold: float | None = None
    crf: bool = False


class Body(NamedTuple):
    """The body of a request, and what its headers say: how much is JSON, its coding, the answer's codings."""

    data: bytes | bytearray
    header_length: str | None = None
    coding: str = PLAIN
    accepted: str = ""


class Answer(NamedTuple):
    """A status of HTTP, a body and its headers."""

    status: int
    data: bytes
    headers: dict[str, str]


class _Taken(NamedTuple):
    """A request that was read, and its frames (H, W, C)."""

    request: InferRequest
    frames: list[NDArray[Any]]
    coding: str  # of the answer


class Replica:
    """An opened engine that answers requests, several of which share its batches.

    Args:
        name: of the model, by which clients call it.

    Raises:
        EngineError, MissingExtraError, UsageError: as `Segmenter.open`.
    """

    def __init__(self, name: str, settings: EngineSettings) -> None:
        self._name = name
        self._failed = 0
        self._segmenter = Segmenter.open(
            settings.engine,
            device=settings.device,
            threads=settings.threads,
            score_threshold=settings.score_threshold,
            crf=settings.crf,
        )

    @property
    def spec(self) -> ModelSpec:
        """What the network is."""
        return self._segmenter.spec

    def answer(self, bodies: Sequence[Body]) -> list[Answer]:
        """Answer requests that came together, each by results or by an error of its own."""
        known = [self._taken(body) for body in bodies]
        frames = [one.frames for one in known if isinstance(one, _Taken)]
        found = answered(self._segmenter, frames)
        self._note(found)
        outcomes = iter(found)
        return [one if isinstance(one, Answer) else self._written(one, next(outcomes)) for one in known]

    def check_health(self) -> None:
        """Raise EngineError if the engine has failed at every one of the last requests."""
        if self._failed >= MOST_FAILED:
            raise EngineError(f"the engine failed at {self._failed} requests one after another")

    def close(self) -> None:
        """Close the engine."""
        self._segmenter.close()

    def _note(self, found: Sequence[Outcome]) -> None:
        """Count failures of the engine since it last computed something."""
        failed = sum(isinstance(one, EngineError) for one in found)
        self._failed = self._failed + failed if failed == len(found) else 0

    def _taken(self, body: Body) -> _Taken | Answer:
        try:
            request = read_request(unpacked(body.data, body.coding), body.header_length)
            outputs_of(self.spec, request.wanted)
            return _Taken(request, frames_of(request.tensors, self.spec.input), taken(body.accepted))
        except Exception as error:
            return refusal(told_as(error))

    def _written(self, one: _Taken, outcome: Outcome) -> Answer:
        if isinstance(outcome, EdgesegError):
            return refusal(outcome)
        try:
            tensors = tensors_of(outcome, self.spec, one.request.wanted)
            data, headers = write_answer(self._name, one.request, tensors)
            if one.coding != PLAIN:
                headers["Content-Encoding"] = one.coding
            return Answer(OK, packed(data, one.coding), headers)
        except Exception as error:
            return refusal(told_as(error))


def refusal(error: EdgesegError) -> Answer:
    """Say why there is no result."""
    return told(FAILED if isinstance(error, EngineError) else BAD_REQUEST, {"error": str(error)})


def told(status: int, values: Any) -> Answer:
    """Give JSON."""
    return Answer(status, json.dumps(values).encode(), {"Content-Type": "application/json"})
