"""`auto` makes the engine that is fastest here and passes, of those whose library is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.cli.inspect import inspect_engine
from edgeseg.engines import tuning
from edgeseg.engines.backend import Backend, open_backend
from edgeseg.engines.building.auto import SLOWER
from edgeseg.engines.building.build import Built, build_engine
from edgeseg.engines.building.builders import write_files_of
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.job import BuildJob
from edgeseg.engines.race import Contender, read_race
from edgeseg.engines.registry import cpu_backends, facts_of, part_of
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, MissingExtraError, ParityError, UsageError
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import Manifest
from tests.engines.clock import Clock
from tests.export import small_networks
from tests.exported_models import ExportedModels

pytest.importorskip("openvino")

AUTO = Request("auto", threads=1)
BACKENDS = tuple(name for name in cpu_backends() if all(map(find_spec, facts_of(name).modules)))
FIRST, SECOND = "openvino", "onnxruntime"
SECONDS = {FIRST: 0.01, SECOND: 0.02}  # by the clock; others take longer

Falsify = Callable[[NDArray[Any]], NDArray[Any]]


class Timed:
    """An engine that takes as long as its backend shall, by the clock, and may compute something else."""

    def __init__(self, backend: Backend, seconds: float, clock: Clock, falsify: Falsify | None) -> None:
        self._backend, self._seconds, self._clock, self._falsify = backend, seconds, clock, falsify
        self.built_on, self.close = backend.built_on, backend.close

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        self._clock.sleep(self._seconds)
        outputs = self._backend.infer(image)
        if self._falsify is None:
            return outputs
        return {name: self._falsify(array) for name, array in outputs.items()}


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


@pytest.fixture
def build(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Built, Path]]:
    clock = Clock()
    monkeypatch.setattr(tuning, "time", clock)

    def built(
        seconds: Mapping[str, float] = SECONDS, wrong: tuple[str, ...] = (), **options: Any
    ) -> tuple[Built, Path]:
        def opened(folder: Path, manifest: Manifest) -> Timed:
            name = manifest.backend
            units = f"{name} {manifest.options.get('winograd')}"
            falsify = (lambda array: (array + 1) % 3) if {name, units} & set(wrong) else None
            takes = seconds.get(units, seconds.get(name, 0.05))
            return Timed(open_backend(folder, manifest), takes, clock, falsify)

        engine = tmp_path / "engine"
        return build_engine(model, engine, open_engine=opened, request=AUTO, **options), engine

    return built


@pytest.mark.parametrize("fast", BACKENDS)
def test_the_fastest_backend_is_built(build: Callable[..., tuple[Built, Path]], fast: str) -> None:
    built, engine = build({fast: 0.01})
    assert built.measured[0].options["backend"] == fast
    assert {entry.options["backend"] for entry in built.measured} == set(BACKENDS)
    assert built.manifest.backend == fast
    assert fast in built.manifest.built_on
    assert {path.name for path in engine.iterdir()} == {*built.manifest.files, "manifest.json"}
    assert verify_engine(engine).passed


def test_what_computes_something_else_is_turned_down_for_the_next(
    build: Callable[..., tuple[Built, Path]],
) -> None:
    built, engine = build(wrong=(FIRST,))
    assert built.manifest.backend == SECOND
    first, second, *others = built.race
    assert (first.backend, first.median_ms) == (FIRST, pytest.approx(10))
    assert first.turned_down is not None
    assert "relative logit error" in first.turned_down
    assert second == Contender(SECOND, built.manifest.backend_version, pytest.approx(20))
    assert all(one.median_ms == pytest.approx(50) for one in others if one.backend in BACKENDS)
    assert read_race(engine, built.manifest) == built.race
    told = inspect_engine(engine)["race"]
    assert told[f"{FIRST} {first.version}"].startswith("10.0 ms; turned down: the engine of ")
    assert told[f"{SECOND} {second.version}"] == "20.0 ms"
    assert {path.name for path in engine.iterdir()} == {*built.manifest.files, "manifest.json"}
    assert verify_engine(engine).passed


@pytest.mark.skipif("mnn" not in BACKENDS, reason="MNN is not installed")
@pytest.mark.parametrize(("safe_s", "winner"), [(0.015, "mnn"), (0.03, SECOND)])
def test_what_passes_only_when_made_anew_is_timed_again(
    build: Callable[..., tuple[Built, Path]], safe_s: float, winner: str
) -> None:
    seconds = {"mnn large": 0.005, "mnn small": safe_s, SECOND: 0.02}
    built, engine = build(seconds, wrong=("mnn large",))
    assert built.manifest.backend == winner
    (mnn,) = (one for one in built.race if one.backend == "mnn")
    assert mnn.median_ms == pytest.approx(1000 * safe_s)
    assert mnn.turned_down == (None if winner == "mnn" else SLOWER)
    assert {path.name for path in engine.iterdir()} == {*built.manifest.files, "manifest.json"}
    assert verify_engine(engine).passed


def test_where_none_passes_the_fault_of_the_fastest_is_told(
    build: Callable[..., tuple[Built, Path]], tmp_path: Path
) -> None:
    with pytest.raises(ParityError, match="relative logit error"):
        build(wrong=BACKENDS)
    assert not (tmp_path / "engine").exists()


def test_a_library_that_refuses_the_graph_is_turned_down(
    build: Callable[..., tuple[Built, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(job: object) -> None:
        raise EngineError("OpenVINO refuses unet.onnx on cpu: it has a bad day")

    monkeypatch.setattr(part_of(FIRST, "build"), "fill_engine", refuse)
    built, _ = build()
    assert built.manifest.backend == SECOND
    assert FIRST not in {entry.options["backend"] for entry in built.measured}
    assert Contender(FIRST, turned_down="OpenVINO refuses unet.onnx on cpu: it has a bad day") in built.race


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_threads_asked_for_hold_before_anything_is_measured(
    model: Path, tmp_path: Path, backend: str
) -> None:
    source = PortableModel.read(model)
    image = np.zeros((1, source.spec.input.height, source.spec.input.width, 3), np.uint8)
    request = Request(backend, threads=1)
    job = BuildJob(tmp_path, source, source.sha256, source.spec, request, image, open_backend)
    write = write_files_of(backend)
    assert write is not None
    options = write(job).options
    assert options["intra_op_threads" if backend == "onnxruntime" else "threads"] == 1


def test_a_second_race_measures_nothing_and_proves_the_same(
    build: Callable[..., tuple[Built, Path]],
) -> None:
    first, _ = build()
    second, _ = build()
    assert second.race == first.race
    assert all(entry.recalled for entry in second.measured)
    third, _ = build({SECOND: 0.001}, measure_again=True)
    assert third.manifest.backend == SECOND


def test_what_is_not_installed_is_named_and_not_compared(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in BACKENDS:
        if name != "onnxruntime":
            monkeypatch.setitem(sys.modules, facts_of(name).modules[0], None)
    built = build_engine(model, tmp_path / "engine", request=AUTO)
    assert built.manifest.backend == "onnxruntime"
    assert len(built.measured) == 1
    told = {one.backend: one.turned_down for one in built.race}
    assert told["onnxruntime"] is None
    assert told["openvino"] == "openvino is not installed; run: pip install 'edgeseg[openvino]'"


def test_nothing_installed_says_what_to_install(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in BACKENDS:
        monkeypatch.setitem(sys.modules, facts_of(name).modules[0], None)
    with pytest.raises(MissingExtraError, match=r"edgeseg\[[a-z]+\]"):
        build_engine(model, tmp_path / "engine", request=AUTO)


def test_it_is_for_the_processor(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for cuda, name a --backend"):
        build_engine(model, tmp_path / "engine", request=Request("auto", device="cuda"))


def test_one_that_was_named_ran_no_race(model: Path, tmp_path: Path) -> None:
    built = build_engine(model, tmp_path / "engine", request=Request(threads=1))
    assert built.race == ()
    assert "race" not in inspect_engine(tmp_path / "engine")
