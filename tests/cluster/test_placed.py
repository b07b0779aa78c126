"""An engine that was sent stays on a node as long as a process has it open, and goes then."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.cluster.placed import Placed, Sent, remove_unused
from edgeseg.cluster.sent import digest_of, packed
from edgeseg.runtime import Segmenter
from tests.runtime.tiny_models import labels_engine


def placed(engine: Path) -> Placed:
    return Placed(Sent(digest_of(engine), lambda: packed(engine)), "test")


def test_an_engine_goes_with_the_last_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = labels_engine(tmp_path / "engine")
    first, second = (placed(engine) for _ in range(2))
    assert first.folder == second.folder
    first.close()
    first.close()
    Segmenter.open(second.folder).close()
    second.close()
    assert not second.folder.exists()
    again = placed(engine)
    Segmenter.open(again.folder).close()
    again.close()


def test_what_killed_processes_left_goes_with_the_next_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old, used, new = (labels_engine(tmp_path / str(size), (size, size)) for size in (32, 64, 96))
    left = placed(old)
    other = placed(used)
    left.let_go()  # as the end of its process does
    opened = placed(new)
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
