"""What runs in the process of a profile: MNN's session, which calls back before and after each node.

An `Order` comes by the standard input and an `Answer` goes by the standard output, both pickled.
"""

from __future__ import annotations

import itertools
import os
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.apart.serving import PROTOCOL, STDOUT, Answer, divert_output, last_line

MS_PER_S = 1000.0
MACS_PER_MFLOP = 1_000_000  # MNN counts in millions, a multiplication and an addition as one

Key = tuple[str, str]
"""A node's name and its operator."""


@dataclass(frozen=True)
class Order:
    """What to profile.

    Attributes:
        model: path of a converted model.
        config: of MNN's session.
        hints: what else it is told, by numbers that MNN's headers name.
        images: arrays as the model's input takes them, used in turn.
        runs: inferences, all of them told.
    """

    model: str
    config: Mapping[str, Any]
    hints: Mapping[int, int]
    images: Sequence[NDArray[Any]]
    runs: int


@dataclass(frozen=True)
class Node:
    """What ran through a node: shapes, and MNN's own count of multiplications with additions."""

    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    products: int


@dataclass(frozen=True)
class Told:
    """What MNN told, of each run."""

    nodes: Mapping[Key, Node]
    runs: Sequence[Mapping[Key, float]]
    whole_ms: Sequence[float]


def main() -> None:
    """Answer one order; ends the process."""
    answers = os.fdopen(os.dup(STDOUT), "wb")
    log = divert_output()
    order: Order = pickle.load(sys.stdin.buffer)
    try:
        answer = Answer(profile(order))
    except Exception as error:  # MNN's own have no common base, and say less than what it prints
        answer = Answer(failure=last_line(log) or f"{type(error).__name__}: {error}")
    pickle.dump(answer, answers, PROTOCOL)
    answers.flush()
    os._exit(0)  # without MNN's own destructors, which some of its versions crash in


def profile(order: Order) -> Told:
    """Run a model in a session of its own."""
    import MNN

    interpreter = MNN.Interpreter(order.model)
    for hint, value in order.hints.items():
        interpreter.setSessionHint(hint, value)
    session = interpreter.createSession(dict(order.config))
    (taken,) = interpreter.getSessionInputAll(session).values()
    kind = MNN.Halide_Type_Uint8 if order.images[0].dtype == np.uint8 else MNN.Halide_Type_Float
    calls = _Calls()
    whole_ms = []
    for image in itertools.islice(itertools.cycle(order.images), order.runs):
        values = np.ascontiguousarray(image)
        given = MNN.Tensor(image.shape, kind, values, MNN.Tensor_DimensionType_Caffe)
        taken.copyFrom(given)
        calls.runs.append({})
        started_s = time.perf_counter()
        interpreter.runSessionWithCallBackInfo(session, calls.before, calls.after)
        whole_ms.append(MS_PER_S * (time.perf_counter() - started_s))
    return Told(calls.nodes, calls.runs, whole_ms)


class _Calls:
    """What is called back: notes the time before each node, and adds what has passed after it."""

    def __init__(self) -> None:
        self.nodes: dict[Key, Node] = {}
        self.runs: list[dict[Key, float]] = []
        self._inputs: tuple[tuple[int, ...], ...] = ()
        self._started_s = 0.0

    def before(self, tensors: Sequence[Any], info: Any) -> bool:
        """Begin with a node; True lets it run."""
        self._inputs = _shapes(tensors)
        self._started_s = time.perf_counter()
        return True

    def after(self, tensors: Sequence[Any], info: Any) -> bool:
        """End with a node; True goes on."""
        passed_ms = MS_PER_S * (time.perf_counter() - self._started_s)
        key = info.getName(), info.getType()
        self.runs[-1][key] = self.runs[-1].get(key, 0.0) + passed_ms
        products = round(info.getFlops() * MACS_PER_MFLOP)
        self.nodes[key] = Node(self._inputs, _shapes(tensors), products)
        return True


def _shapes(tensors: Sequence[Any]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(tensor.getShape()) for tensor in tensors)
