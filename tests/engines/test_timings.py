"""What was timed on this machine is not timed again; what may take another time is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from edgeseg.engines import timings
from edgeseg.engines.backend import open_backend
from edgeseg.engines.building.build import Built, build_engine
from edgeseg.engines.request import Request
from edgeseg.engines.timings import Timings
from edgeseg.engines.tuning import Measured
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import Manifest
from tests.export import small_networks
from tests.exported_models import ExportedModels

CHOICES = [{"threads": 1}, {"threads": 2}]
KEY = {"graph": "a unet", "backend": "onnxruntime 1"}
ONE, TWO = Measured(CHOICES[1], 1.5, 9), Measured(CHOICES[0], 2.5, 9)


def measured_anew(
    key: dict[str, str] = KEY, choices: list[dict[str, Any]] = CHOICES, *, again: bool = False
) -> bool:
    """Ask for times, and say whether something was measured for them."""
    calls = []

    def measure() -> list[Measured]:
        calls.append(1)
        return [ONE, TWO]

    found = Timings(again=again).measured(key, choices, measure)
    assert [(entry.options, entry.median_ms) for entry in found] == [
        ({"threads": 2}, 1.5),
        ({"threads": 1}, 2.5),
    ]
    assert {entry.recalled for entry in found} == {not calls}
    return bool(calls)


def kept_file() -> Path:
    (path,) = timings.folder().glob("*.json")
    return path


def test_the_second_time_nothing_is_measured() -> None:
    assert measured_anew()
    assert not measured_anew()
    assert measured_anew(again=True)
    assert not measured_anew()


def test_another_graph_library_or_choice_is_measured() -> None:
    measured_anew()
    assert measured_anew({**KEY, "graph": "another"})
    assert measured_anew({**KEY, "backend": "onnxruntime 2"})
    assert (
        Timings().measured(KEY, [{"threads": 4}], lambda: [Measured({"threads": 4}, 1.0, 3)])[0].median_ms
        == 1.0
    )
    assert not measured_anew()


@pytest.mark.parametrize(
    ("name", "value"),
    [("processor", lambda: {"cpu": "another"}), ("usable_cores", lambda: 64), ("__version__", "0")],
)
def test_another_machine_measures(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    measured_anew()
    monkeypatch.setattr(timings, name, value)
    assert measured_anew()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\x00",
        b"[]",
        b'{"key": {}, "measured": []}',
        b'{"key": {"graph": "a unet"}, "measured": [{"options": {}, "median_ms": NaN, "samples": 1}]}',
        b"[" * 100_000,
    ],
)
def test_damaged_content_is_passed_over_and_replaced(content: bytes) -> None:
    measured_anew()
    kept_file().write_bytes(content)
    assert measured_anew()
    assert not measured_anew()


@pytest.mark.parametrize(
    "change",
    [
        {"key": {"graph": "of somebody else"}},
        {"measured": []},
        {"measured": [{"options": {"threads": 512}, "median_ms": 0.1, "samples": 9}]},
        {"measured": [{"options": {"threads": n}, "median_ms": -1.0, "samples": 9} for n in (1, 2)]},
    ],
)
def test_foreign_content_is_passed_over(change: dict[str, Any]) -> None:
    measured_anew()
    path = kept_file()
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert measured_anew()


def test_builds_at_once_keep_all() -> None:
    def build(number: int) -> None:
        for shared in ("both", str(number)):
            measured_anew({**KEY, "graph": shared})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(build, range(8)))
    assert not any(measured_anew({**KEY, "graph": graph}) for graph in ("both", *map(str, range(8))))
    assert {path.suffix for path in timings.folder().iterdir()} == {".json"}


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert measured_anew()
    assert measured_anew()


def test_a_user_without_a_home_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert measured_anew()


class Counted:
    """Engines, and what they were opened with."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []
        self.inferences = 0

    def open(self, folder: Path, manifest: Manifest) -> Any:
        self.options.append(dict(manifest.options))
        backend = open_backend(folder, manifest)
        infer = backend.infer

        def counted(image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
            self.inferences += 1
            return infer(image)

        backend.infer = counted  # type: ignore[method-assign]
        return backend


def built(model: Path, folder: Path, **asked: Any) -> tuple[Built, Counted]:
    counted = Counted()
    return build_engine(model, folder, open_engine=counted.open, **asked), counted


def test_a_second_build_opens_what_it_proves_alone(exported: ExportedModels, tmp_path: Path) -> None:
    model = exported(small_networks.unet).path
    first, _ = built(model, tmp_path / "engine")
    second, opened = built(model, tmp_path / "second")
    assert opened.options == [second.manifest.options]
    frames = PortableModel.read(model).golden.frames
    assert opened.inferences == second.parity.images + len(frames)
    assert second.manifest.options == first.manifest.options
    assert all(entry.recalled for entry in second.measured)
    again, opened = built(model, tmp_path / "again", measure_again=True, passes=False)
    assert len(opened.options) == 1 + len(again.measured)
    fixed, opened = built(model, tmp_path / "one", request=Request(threads=1))
    assert not any(entry.recalled for entry in fixed.measured)
