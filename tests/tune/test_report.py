"""A report comes back from JSON as it was, and an engine that was not tuned has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeseg.errors import EngineError
from edgeseg.manifest import Manifest, read_manifest, seal
from edgeseg.tune.report import read_tuning
from tests.runtime.tiny_models import labels_engine
from tests.tune.reports import candidate, tuning

REPORT = tuning(candidate(10.0, 0.1, verdict="kept", interval_ms=None, memory_mb=None), candidate(12.0, 0.0))


def tuned(folder: Path, text: str) -> Manifest:
    manifest = read_manifest(labels_engine(folder))
    (folder / "tuning.json").write_text(text)
    files = {**manifest.files, "tuning.json": ""}
    return seal(folder, Manifest(**{**vars(manifest), "files": files}))


def test_an_engine_says_by_what_it_was_kept(tmp_path: Path) -> None:
    engine = tmp_path / "engine"
    assert read_tuning(labels_engine(engine), read_manifest(engine)) is None
    assert read_tuning(engine, tuned(engine, REPORT.to_json())) == REPORT
    assert REPORT.kept.latency_ms == 10
    assert REPORT.kept.name == "onnxruntime fp32"


@pytest.mark.parametrize(
    "text", ["", "{}", json.dumps({**json.loads(REPORT.to_json()), "schema_version": 9})]
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(EngineError, match=r"tuning\.json"):
        read_tuning(tmp_path / "engine", tuned(tmp_path / "engine", text))
