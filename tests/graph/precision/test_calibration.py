"""What a tensor holds is seen as it is, and seen once where a cache is kept."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import EngineError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision import convert
from edgeseg.graph.precision.cache import MOST_KEYS, Cache
from edgeseg.graph.precision.calibration import SAMPLES, observe
from edgeseg.graph.precision.convert import Calibration
from edgeseg.graph.precision.trials import Form, Trials
from edgeseg.spec import CalibrationMethod
from tests.graph import small_graphs as graphs

PIXELS = """
pixels (uint8[2, 100, 120, 3] image) => (float[K, 4] found) {
    values = Cast<to = 1>(image)
    shifted = Sub(values, middle)
    many = Greater(values, high)
    where = NonZero(many)
    places = Transpose<perm = [1, 0]>(where)
    found = Cast<to = 1>(places)
}
"""


def test_extremes_are_exact_and_samples_spread() -> None:
    model = graphs.model(PIXELS, {"middle": np.array(100.0), "high": np.array(250.0)})
    images = graphs.images(model, 3)
    images[2, 7, 9, 1] = 0
    seen = observe(model, ["shifted", "found"], images, 2)
    assert seen["shifted"].peak == 155.0
    samples = seen["shifted"].magnitudes()
    assert SAMPLES < len(samples) <= 2 * SAMPLES  # two batches
    truth = np.abs(images.astype(np.float32) - 100)
    assert samples.mean() == pytest.approx(truth.mean(), rel=0.02)
    assert seen["found"].peak == 119.0  # the last column: of a size that depends on the data


def test_nothing_found_is_nothing_seen() -> None:
    model = graphs.model(PIXELS, {"middle": np.array(100.0), "high": np.array(250.0)})
    dark = np.zeros((2, 100, 120, 3), np.uint8)
    assert observe(model, ["found"], dark, 2)["found"].peak == 0.0


def test_a_value_that_is_no_number_is_beyond_any_range() -> None:
    model = graphs.model(PIXELS, {"middle": np.array(np.nan), "high": np.array(250.0)})
    assert observe(model, ["shifted"], graphs.images(model, 2), 2)["shifted"].peak == np.inf


def test_a_cache_spares_the_run_for_the_same_model_images_and_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, runs = graphs.residual(), []
    model = PortableModel.of(graph, "the residual block")

    def counted(*arguments: object) -> object:
        runs.append(arguments)
        return observe(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(convert, "observe", counted)
    images = graphs.images(graph)

    def ranges(*methods: CalibrationMethod, count: int = 4) -> list[dict[str, float]]:
        calibration = Calibration(images[:count], cache=tmp_path / "ranges.json")
        return convert.ranges_of(model, ["first", "sum"], calibration, 1, methods)

    first = ranges("mse", "minmax")
    assert first[0] != first[1]
    assert ranges("mse", "minmax") == first
    assert ranges("minmax") == first[1:]
    assert len(runs) == 1
    ranges("minmax", "entropy")
    ranges("minmax", count=2)
    assert len(runs) == 3


def test_what_is_measured_later_is_kept_beside_what_was_measured_before(tmp_path: Path) -> None:
    path = tmp_path / "cache.json"
    assert Cache(path).get("key") == {}
    Cache(path).add("key", {"a": 1.5})
    Cache(path).add("other", {"a": 2.5})
    Cache(path).add("key", {"b": 0.5})
    assert Cache(path).get("key") == {"a": 1.5, "b": 0.5}
    assert Cache(path).get("other") == {"a": 2.5}
    for index in range(MOST_KEYS):
        Cache(path).add(f"key {index}", {})
    assert Cache(path).get("key") == {}


def test_without_a_file_a_cache_lasts_as_long_as_it_is_held() -> None:
    cache = Cache(None)
    cache.add("key", {"a": 1.5})
    assert cache.get("key") == {"a": 1.5}
    assert Cache(None).get("key") == {}


def test_a_foreign_cache_is_passed_over_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    for text in ("", "[]", json.dumps({"version": 0, "measured": {"key": {"a": 1.0}}})):
        path.write_text(text)
        assert Cache(path).get("key") == {}
    Cache(path).add("key", {"a": 1.5})
    assert Cache(path).get("key") == {"a": 1.5}


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"cannot write .*file"):
        Cache(tmp_path / "file" / "ranges.json").add("key", {})


def test_a_candidate_is_measured_once_and_its_loss_is_kept_in_the_cache(tmp_path: Path) -> None:
    asked = []
    mse, narrow, minmax = Form("mse", False), Form("mse", True), Form("minmax", False)

    def measure(form: Form, float_layers: Collection[str]) -> float:
        asked.append((form, sorted(float_layers)))
        return float(len(float_layers))

    for _ in range(2):  # builds
        trials = Trials(measure, Cache(tmp_path / "cache.json"), "key")
        assert trials.points_lost(mse, ["b", "a"]) == 2.0
        assert trials.points_lost(mse, ["a", "b"]) == 2.0
        assert trials.points_lost(narrow, ["a"]) == 1.0
        assert trials.points_lost(minmax, []) == 0.0
    assert asked == [(mse, ["a", "b"]), (narrow, ["a"]), (minmax, [])]
    Trials(measure, Cache(tmp_path / "cache.json"), "another").points_lost(minmax, [])
    assert len(asked) == 4
