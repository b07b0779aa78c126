"""Engines are made in order, as long as there is time; what is left out is told, nothing is done twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import AppliedPass, read_manifest
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.tune import budget, entrants
from edgeseg.tune.accuracy import Judge
from edgeseg.tune.budget import Budget
from edgeseg.tune.entrants import Gate
from edgeseg.tune.images import TuningImages
from edgeseg.tune.making import Made, Maker, NotMadeError
from edgeseg.tune.space import Plan
from edgeseg.tune.work import Work
from tests.engines.clock import Clock
from tests.runtime.tiny_models import labels_engine, portable_model

PLANS = [Plan(0, name, "cpu", "fp32") for name in ("onnxruntime", "openvino", "mnn", "tensorrt")]
TAKES_S = 10.0


class FakeMaker(Maker):
    """Makes the same engine of each plan in ten seconds, and none of OpenVINO's."""

    def make(self, plan: Plan) -> Made:
        shared.made.append(plan)
        shared.clock.sleep(TAKES_S)
        self.on_step("building")
        if plan.backend == "openvino":
            raise NotMadeError("it refuses the graph")
        manifest = read_manifest(shared.engine)
        if plan.passes:
            manifest = dataclasses.replace(manifest, passes=shared.passes)
        return Made(plan, shared.engine, manifest, (manifest.options,))


class Shared:
    """What the fake makers of a test share."""

    def __init__(self, engine: Path, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self.made: list[Plan] = []
        self.passes: dict[str, AppliedPass] = {}


shared: Shared


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Gate]]:
    global shared  # noqa: PLW0603 - a frozen dataclass has no room for what a test looks at
    shared = Shared(labels_engine(tmp_path / "engine"), Clock())
    monkeypatch.setattr(budget, "time", shared.clock)
    monkeypatch.setattr(entrants, "peak_of", lambda *_, **__: 5 << 20)
    cv2.imwrite(str(tmp_path / "0.png"), np.full((16, 16, 3), 200, np.uint8))
    model = PortableModel.read(portable_model(shared.engine, tmp_path / "model.onnx"))
    images = TuningImages.of(tmp_path, model.spec)
    with Work(tmp_path / "work") as work, Segmenter(Engine.open(shared.engine)) as reference:
        judge = Judge.by_reference(reference, images)

        def opened(seconds: float, max_memory: int | None = None) -> Gate:
            maker = FakeMaker(work, [model], lambda place: np.zeros(0), "", 0.5, None)
            budget = Budget(seconds)
            return Gate(work, maker, [model], judge, images, budget, lambda step: None, max_memory)

        yield opened


def test_what_cannot_be_made_is_told_and_the_others_are_judged(gate: Callable[..., Gate]) -> None:
    found = gate(1000.0).admit(PLANS)
    assert [one.made.plan.backend for one in found.entrants] == ["onnxruntime", "mnn", "tensorrt"]
    assert {(one.points, one.memory_bytes) for one in found.entrants} == {(100.0, 5 << 20)}
    (refused,) = found.refused
    assert (refused.backend, refused.reason, refused.model) == (
        "openvino",
        "it refuses the graph",
        "model.onnx",
    )
    assert found.not_tried == []


def test_once_time_is_up_nothing_more_is_made_and_that_is_told(gate: Callable[..., Gate]) -> None:
    found = gate(2.5 * TAKES_S).admit(PLANS)
    assert [one.made.plan.backend for one in found.entrants] == ["onnxruntime"]
    assert [(one.backend, one.reason) for one in found.not_tried] == [
        ("mnn", "time was up while it was made or measured"),
        ("tensorrt", "there was no time left"),
    ]
    assert len(shared.made) == 3


def test_a_graph_that_passes_leave_as_it_is_is_made_once(gate: Callable[..., Gate]) -> None:
    both = [dataclasses.replace(PLANS[0], passes=True), PLANS[0]]
    assert len(gate(1000.0).admit(both).entrants) == 1
    shared.passes = {"labels by matrix products": AppliedPass(("labels",), 1.2)}
    assert len(gate(1000.0).admit(both).entrants) == 2


def test_what_takes_more_memory_than_it_may_or_an_unknown_amount_is_left_out(
    gate: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(gate(1000.0, 5 << 20).admit(PLANS[:1]).entrants) == 1
    (one,) = gate(1000.0, (5 << 20) - 1).admit(PLANS[:1]).refused  # as measured before
    assert one.reason == "it takes 5 MB, --max-memory allows 5 MB"
    monkeypatch.setattr(entrants, "peak_of", lambda *_, **__: None)
    (one,) = gate(1000.0, 1 << 30).admit(PLANS[2:3]).refused
    assert one.reason == "its memory could not be measured, --max-memory allows 1074 MB"
