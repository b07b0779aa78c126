"""`auto` makes the engine that is faster here, of those whose library is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from edgeseg.engines import tuning
from edgeseg.engines.backend import open_backend
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.request import Request
from edgeseg.errors import MissingExtraError, UsageError
from edgeseg.manifest import Manifest
from tests.engines.clock import Clock
from tests.export import small_networks
from tests.exported_models import ExportedModels

pytest.importorskip("openvino")
CPU_BACKENDS = ("mnn", "onnxruntime", "openvino")
pytestmark = pytest.mark.skipif(find_spec("MNN") is None, reason="MNN is not installed")

AUTO = Request("auto", threads=1)


class Slowed:
    """An engine whose backend takes less time than the others', by the clock."""

    def __init__(self, folder: Path, manifest: Manifest, fast: str, clock: Clock) -> None:
        self._backend = open_backend(folder, manifest)
        self._clock, self._seconds = clock, 0.01 if manifest.backend == fast else 0.05
        self.built_on, self.close = self._backend.built_on, self._backend.close

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        self._clock.sleep(self._seconds)
        return self._backend.infer(image)


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


@pytest.mark.parametrize("fast", CPU_BACKENDS)
def test_the_fastest_backend_is_built(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: str
) -> None:
    engine, clock = tmp_path / "engine", Clock()
    monkeypatch.setattr(tuning, "time", clock)
    built = build_engine(
        model,
        engine,
        open_engine=lambda folder, manifest: Slowed(folder, manifest, fast, clock),
        request=AUTO,
    )
    assert {entry.options["backend"] for entry in built.measured} == set(CPU_BACKENDS)
    assert built.measured[0].options["backend"] == fast
    assert built.manifest.backend == fast
    assert fast in built.manifest.built_on
    assert {path.name for path in engine.iterdir()} == {*built.manifest.files, "manifest.json"}
    assert verify_engine(engine).passed


def test_what_is_not_installed_is_not_compared(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("openvino", "MNN"):
        monkeypatch.setitem(sys.modules, name, None)
    built = build_engine(model, tmp_path / "engine", request=AUTO)
    assert built.manifest.backend == "onnxruntime"
    assert len(built.measured) == 1


def test_nothing_installed_says_what_to_install(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("openvino", "onnxruntime", "MNN"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"edgeseg\[cpu\]"):
        build_engine(model, tmp_path / "engine", request=AUTO)


def test_it_is_for_the_processor(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for cuda, name a --backend"):
        build_engine(model, tmp_path / "engine", request=Request("auto", device="cuda"))
