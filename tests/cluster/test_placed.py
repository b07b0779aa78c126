"""An engine that was sent stays on a node as long as a process has it open, and goes then."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.cluster.placed import Placed, remove_unused
from edgeseg.cluster.sent import digest_of, packed
from edgeseg.runtime import Segmenter
from tests.runtime.tiny_models import labels_engine


def test_an_engine_goes_with_the_last_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = labels_engine(tmp_path / "engine")
    first, second = (Placed(digest_of(engine), lambda: packed(engine), "test") for _ in range(2))
    assert first.folder == second.folder
    first.close()
    first.close()
    Segmenter.open(second.folder).close()
    second.close()
    assert not second.folder.exists()
    again = Placed(digest_of(engine), lambda: packed(engine), "test")
    Segmenter.open(again.folder).close()
    again.close()


def test_what_killed_processes_left_goes_with_the_next_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old, used, new = (labels_engine(tmp_path / str(size), (size, size)) for size in (32, 64, 96))
    left = Placed(digest_of(old), lambda: packed(old), "test")
    other = Placed(digest_of(used), lambda: packed(used), "test")
    left.let_go()  # as the end of its process does
    opened = Placed(digest_of(new), lambda: packed(new), "test")
    assert not left.folder.exists()
    assert other.folder.exists()
    assert opened.folder.exists()
    remove_unused(digest_of(used), "test", wait_s=0)
    assert other.folder.exists()
    other.let_go()
    remove_unused(digest_of(used), "test", wait_s=10)
    assert not other.folder.exists()
    assert opened.folder.exists()
    opened.close()
