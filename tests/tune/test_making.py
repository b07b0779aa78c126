"""An engine is opened in the ways that its build measured, and always with what its proof took."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.engines.building.build import Built
from edgeseg.engines.job import OpenEngine
from edgeseg.engines.tuning import Measured
from edgeseg.errors import ParityError
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.proof.report import ParityReport
from edgeseg.tune import making
from edgeseg.tune.budget import TimeIsUpError
from edgeseg.tune.making import Made, Maker, NotMadeError, ways_to_open
from edgeseg.tune.space import Plan
from edgeseg.tune.work import Work
from tests.runtime.specs import SIZE_HW, labels_spec
from tests.runtime.tiny_models import labels_engine, portable_model

PARITY = ParityReport("semantic", 1, True, {})
PLAN = Plan(0, "onnxruntime", "cpu", "fp32")


def built(backend: str, own: Mapping[str, Any], *measured: Mapping[str, Any]) -> Built:
    manifest = Manifest(backend, "1", "fp32", "cpu", labels_spec(), "0" * 64, {}, own)
    return Built(manifest, PARITY, tuple(Measured(options, 1.0, 3) for options in measured))


def test_ways_to_open_are_the_engines_own_and_those_that_were_measured() -> None:
    one, two = {"file": "a", "threads": 1}, {"file": "a", "threads": 2}
    assert ways_to_open(built("openvino", two, two, one)) == (two, one)
    assert ways_to_open(built("openvino", one)) == (one,)


def test_what_an_engine_was_given_to_pass_its_proof_is_in_every_way() -> None:
    pytest.importorskip("MNN", reason="MNN has options by which it rounds less")
    fast = [{"threads": count, "winograd": "large"} for count in (1, 2)]
    ways = ways_to_open(built("mnn", {"threads": 2, "winograd": "small"}, *fast))
    assert ways == ({"threads": 2, "winograd": "small"}, {"threads": 1, "winograd": "small"})


def test_options_that_vary_are_named(tmp_path: Path) -> None:
    manifest = read_manifest(labels_engine(tmp_path / "engine"))
    ways = ({"file": "a", "threads": 1}, {"file": "a", "threads": 2})
    made = Made(PLAN, tmp_path / "engine", dataclasses.replace(manifest, options=ways[0]), ways)
    assert made.varied == ["threads"]
    assert made.size_bytes == (tmp_path / "engine" / "model.onnx").stat().st_size


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    model = PortableModel.read(portable_model(labels_engine(tmp_path / "tiny"), tmp_path / "model.onnx"))
    images = np.zeros((1, *SIZE_HW, 3), np.uint8)
    return Maker(Work(tmp_path / "work"), [model], lambda place: images, "images", 0.5, None)


def test_an_engine_is_made_once_and_again_where_it_is_damaged(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []

    def build(model: PortableModel, folder: Path, **_: Any) -> Built:
        calls.append(folder)
        manifest = read_manifest(labels_engine(folder))
        return Built(manifest, PARITY, ())

    monkeypatch.setattr(making, "build_engine", build)
    first = maker.make(PLAN)
    assert maker.make(PLAN) == first
    assert len(calls) == 1
    (first.folder / "model.onnx").write_bytes(b"")
    assert maker.make(PLAN).folder == first.folder
    assert len(calls) == 2
    assert maker.make(dataclasses.replace(PLAN, passes=True)).folder != first.folder


def test_what_cannot_be_made_is_not_tried_again(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def build(model: PortableModel, folder: Path, **_: Any) -> Built:
        calls.append(folder)
        raise ParityError("it computes something else")

    monkeypatch.setattr(making, "build_engine", build)
    for _ in range(2):
        with pytest.raises(NotMadeError, match="it computes something else"):
            maker.make(PLAN)
    assert len(calls) == 1


def test_time_that_is_up_ends_a_build_where_it_opens_an_engine(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(model: PortableModel, folder: Path, *, open_engine: OpenEngine, **_: Any) -> Built:
        manifest = read_manifest(labels_engine(folder))
        open_engine(folder, manifest).close()
        return Built(manifest, PARITY, ())

    def check() -> None:
        raise TimeIsUpError("it is over")

    monkeypatch.setattr(making, "build_engine", build)
    with pytest.raises(TimeIsUpError):
        dataclasses.replace(maker, check=check).make(PLAN)
    assert maker.make(PLAN).plan == PLAN  # the next run makes it


def test_an_int8_build_that_the_user_interrupted_is_not_kept(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgeseg.graph.precision.report import PrecisionReport

    def build(model: PortableModel, folder: Path, **_: Any) -> Built:
        manifest = read_manifest(labels_engine(folder))
        report = PrecisionReport("int8", 1, (), 0.0, {}, interrupted=True)
        return Built(manifest, PARITY, (), report)

    monkeypatch.setattr(making, "build_engine", build)
    with pytest.raises(KeyboardInterrupt):
        maker.make(PLAN)
    assert not list((maker.work.folder / "engines").iterdir())
