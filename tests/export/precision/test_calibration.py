"""What a tensor holds is seen as it is, and seen once where a cache is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import EngineError
from edgeseg.export.precision import convert
from edgeseg.export.precision.cache import read_cache, write_cache
from edgeseg.export.precision.calibration import SAMPLES, observe
from edgeseg.export.precision.convert import Calibration
from tests.export.precision import graphs

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
    model, runs = graphs.residual(), []

    def counted(*arguments: object) -> object:
        runs.append(arguments)
        return observe(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(convert, "observe", counted)
    cache = tmp_path / "ranges.json"
    images = graphs.images(model)

    def ranges(**changes: object) -> dict[str, float]:
        calibration = Calibration(**{"images": images, "method": "mse", "cache": cache} | changes)  # type: ignore[arg-type]
        return convert.ranges_of(model, ["first", "sum"], calibration, 1, calibration.method)

    first = ranges()
    assert ranges() == first
    assert len(runs) == 1
    ranges(method="minmax")
    ranges(method="minmax", images=images[:2])
    assert len(runs) == 3


def test_a_foreign_cache_is_passed_over_and_written_anew(tmp_path: Path) -> None:
    cache = tmp_path / "ranges.json"
    assert read_cache(cache, "key") is None
    for text in ("", "[]", json.dumps({"version": 0, "key": "key", "ranges": {}})):
        cache.write_text(text)
        assert read_cache(cache, "key") is None
    write_cache(cache, "key", {"a": 1.5})
    assert read_cache(cache, "key") == {"a": 1.5}
    assert read_cache(cache, "other") is None


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"cannot write .*file"):
        write_cache(tmp_path / "file" / "ranges.json", "key", {})
