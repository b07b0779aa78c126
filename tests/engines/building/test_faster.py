"""`build` keeps a pass where it is faster here, and the engine says which; as a clock has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from edgeseg.engines import tuning
from edgeseg.engines.backend import Backend, open_backend
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.request import Request
from edgeseg.graph.passes import wide_dilations
from edgeseg.graph.passes.dilated_phases import DilatedPhases
from edgeseg.graph.passes.speed import Site, SpeedPass
from edgeseg.graph.passes.wide_dilations import WideDilations
from edgeseg.manifest import Manifest
from tests.engines.clock import Clock
from tests.export import small_networks
from tests.exported_models import ExportedModels

ON_ONE_THREAD = Request("onnxruntime", threads=1)
DILATED = (WideDilations.title, DilatedPhases.title)
CUT_OUT = "a place of a network"

Seconds = Callable[[Manifest, int], float]
"""How long an inference takes, by the engine's manifest and the number of its dilated convolutions."""


class Paced:
    """An engine that takes as long as it is told to, by the clock."""

    def __init__(self, folder: Path, manifest: Manifest, clock: Clock, seconds: Seconds) -> None:
        self._backend = open_backend(folder, manifest)
        self._clock = clock
        self._seconds = seconds(manifest, _dilated(folder / manifest.options["model_file"]))
        self.built_on, self.close = self._backend.built_on, self._backend.close
        self.inputs, self.outputs = self._backend.inputs, self._backend.outputs

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        self._clock.sleep(self._seconds)
        return self._backend.infer(image)


class Opener:
    """Opens paced engines, and counts those of places cut out of a network."""

    def __init__(self, clock: Clock, seconds: Seconds) -> None:
        self._clock, self._seconds = clock, seconds
        self.places = 0

    def __call__(self, folder: Path, manifest: Manifest) -> Backend:
        self.places += manifest.spec.source.network == CUT_OUT
        return Paced(folder, manifest, self._clock, self._seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tuning, "time", clock)
    return clock


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.deeplab).path


def _dilated(path: Path) -> int:
    attributes = [attribute for node in onnx.load(path).graph.node for attribute in node.attribute]
    return sum(max(attribute.ints) > 1 for attribute in attributes if attribute.name == "dilations")


def dilation_is_slow(manifest: Manifest, dilated: int) -> float:
    return 0.01 + 0.01 * dilated


def dilation_is_fast(manifest: Manifest, dilated: int) -> float:
    return 0.01 if dilated else 0.02


def fast_alone_only(manifest: Manifest, dilated: int) -> float:
    return (dilation_is_slow if manifest.spec.source.network == CUT_OUT else dilation_is_fast)(
        manifest, dilated
    )


def test_a_pass_that_is_faster_is_kept_and_proven(model: Path, tmp_path: Path, clock: Clock) -> None:
    engine = tmp_path / "engine"
    built = build_engine(model, engine, request=ON_ONE_THREAD, open_engine=Opener(clock, dilation_is_slow))
    places = [place for one in built.manifest.passes.values() for place in one.places]
    assert all(one.times_faster > 1 for one in built.manifest.passes.values())
    assert set(built.manifest.passes) <= set(DILATED)
    assert len(places) == len(set(places)) == _dilated(model) > 0
    assert _dilated(engine / "model.onnx") == 0
    assert built.parity.passed
    assert verify_engine(engine, reference=model).passed


@pytest.mark.parametrize("seconds", [dilation_is_fast, fast_alone_only])
def test_a_pass_that_is_slower_alone_or_in_the_whole_is_not_kept(
    model: Path, tmp_path: Path, clock: Clock, seconds: Seconds
) -> None:
    engine = tmp_path / "engine"
    built = build_engine(model, engine, request=ON_ONE_THREAD, open_engine=Opener(clock, seconds))
    assert built.manifest.passes == {}
    assert _dilated(engine / "model.onnx") > 0


def test_the_places_that_gain_least_are_left_out_where_all_together_lose(
    model: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phases take every dilated convolution here, and the network is faster with some of them only."""
    monkeypatch.setattr(wide_dilations, "MOST_ROWS", 0)
    dilated_before = _dilated(model)

    def some_are_fast(manifest: Manifest, dilated: int) -> float:
        if manifest.spec.source.network == CUT_OUT:
            return dilation_is_slow(manifest, dilated)
        return 0.01 if 0 < dilated < dilated_before else 0.02

    engine = tmp_path / "engine"
    built = build_engine(model, engine, request=ON_ONE_THREAD, open_engine=Opener(clock, some_are_fast))
    assert len(built.manifest.passes[DilatedPhases.title].places) == dilated_before // 2 > 0
    assert built.parity.passed


def test_the_graph_is_left_alone_if_asked(model: Path, tmp_path: Path, clock: Clock) -> None:
    opener = Opener(clock, dilation_is_slow)
    built = build_engine(model, tmp_path / "engine", request=ON_ONE_THREAD, passes=False, open_engine=opener)
    assert built.manifest.passes == {}
    assert not opener.places


def test_a_second_build_times_no_place(model: Path, tmp_path: Path, clock: Clock) -> None:
    first, second = Opener(clock, dilation_is_slow), Opener(clock, dilation_is_fast)
    built = build_engine(model, tmp_path / "first", request=ON_ONE_THREAD, open_engine=first)
    again = build_engine(model, tmp_path / "second", request=ON_ONE_THREAD, open_engine=second)
    assert first.places > 0
    assert second.places == 0
    assert again.manifest.passes == built.manifest.passes


def test_an_engine_that_fails_with_passes_is_made_without(
    model: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rewrite_wrongly(self: SpeedPass, graph: ir.Graph, site: Site) -> None:
        (node,) = site.nodes
        node.attributes["dilations"] = ir.AttrInt64s("dilations", [1, 1])
        node.attributes["pads"] = ir.AttrInt64s("pads", [1, 1, 1, 1])

    for kind in (WideDilations, DilatedPhases):
        monkeypatch.setattr(kind, "rewrite", rewrite_wrongly)
    engine = tmp_path / "engine"
    built = build_engine(model, engine, request=ON_ONE_THREAD, open_engine=Opener(clock, dilation_is_slow))
    assert built.manifest.passes == {}
    assert built.parity.passed
    assert any("left as exported" in note for note in built.parity.notes)
    assert _dilated(engine / "model.onnx") > 0
    assert verify_engine(engine).passed
