"""The engine that is kept passes its proof as it is opened, and one that does not is passed over."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgeseg.errors import ParityError
from edgeseg.manifest import read_manifest
from edgeseg.proof.report import ParityReport
from edgeseg.tune import keeping
from edgeseg.tune.entrants import Entrant
from edgeseg.tune.keeping import first_proven, put_report
from edgeseg.tune.making import Made
from edgeseg.tune.ranking import Way
from edgeseg.tune.report import read_tuning
from edgeseg.tune.space import Plan
from tests.runtime.tiny_models import labels_engine
from tests.tune.reports import candidate, tuning


@pytest.fixture
def ways(tmp_path: Path) -> list[Way]:
    """An engine, opened with one thread or with two."""
    manifest = read_manifest(labels_engine(tmp_path / "made"))
    options = tuple({**manifest.options, "intra_op_threads": count} for count in (1, 2))
    entrant = Entrant(
        Made(Plan(0, "onnxruntime", "cpu", "fp32"), tmp_path / "made", manifest, options), 90.0, None
    )
    return [Way(entrant, dataclasses.replace(manifest, options=one)) for one in options]


def passes_with(monkeypatch: pytest.MonkeyPatch, *threads: int) -> None:
    def verify(folder: Path) -> ParityReport:
        passed = read_manifest(folder, check_files=True).options["intra_op_threads"] in threads
        return ParityReport("semantic", 1, passed, {}, failures=() if passed else ("it rounds otherwise",))

    monkeypatch.setattr(keeping, "verify_engine", verify)


def test_the_first_that_passes_is_kept_with_the_report(
    tmp_path: Path, ways: list[Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes_with(monkeypatch, 2)
    staging = tmp_path / "staging"
    staging.mkdir()
    place, (error,) = first_proven(staging, ways)
    assert place == 1
    assert "it rounds otherwise" in error
    report = tuning(candidate(10.0, 0.0, verdict="kept"))
    put_report(staging, report)
    manifest = read_manifest(staging, check_files=True)
    assert manifest.options["intra_op_threads"] == 2
    assert read_tuning(staging, manifest) == report


def test_if_none_passes_that_of_the_best_is_told(
    tmp_path: Path, ways: list[Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes_with(monkeypatch)
    staging = tmp_path / "staging"
    staging.mkdir()
    with pytest.raises(ParityError, match="it rounds otherwise"):
        first_proven(staging, ways)
    assert list(staging.iterdir()) == []
