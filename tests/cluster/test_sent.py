"""Engines arrive on nodes as they were, once, and under the hash of their content."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx, which makes the engine")

from edgeseg.cluster.sent import digest_of, packed, unpacked
from edgeseg.errors import EngineError
from tests.runtime.tiny_models import labels_engine


def test_an_engine_arrives_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = labels_engine(tmp_path / "engine")
    digest = digest_of(engine)
    there = unpacked(packed(engine), digest, "test")
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        path.name: path.read_bytes() for path in engine.iterdir()
    }
    assert digest_of(there) == digest
    assert unpacked(b"", digest, "test") == there  # it is there already


def test_an_engine_is_known_by_its_content(tmp_path: Path) -> None:
    first, same = labels_engine(tmp_path / "first"), labels_engine(tmp_path / "same")
    other = labels_engine(tmp_path / "other", (64, 96))
    assert digest_of(first) == digest_of(same) != digest_of(other)
    next(first.glob("*.onnx")).write_bytes(b"")
    with pytest.raises(EngineError, match="is not the file that was built"):
        digest_of(first)


def test_what_a_cleaner_left_of_an_engine_is_unpacked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = labels_engine(tmp_path / "engine")
    digest = digest_of(engine)
    there = unpacked(packed(engine), digest, "test")
    for damaged in sorted(path.name for path in there.iterdir()):
        (there / damaged).unlink()
        unpacked(packed(engine), digest, "test")
        assert digest_of(there) == digest
