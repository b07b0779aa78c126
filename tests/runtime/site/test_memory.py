"""A site takes no more memory than it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.cli import status_of
from edgeseg.errors import EngineError, UsageError
from edgeseg.runtime.profiling.memory import parse_memory, peak_bytes
from edgeseg.runtime.settings import SiteSettings, StreamSettings
from edgeseg.runtime.site import memory
from edgeseg.runtime.site.memory import check_taken
from edgeseg.runtime.site.site import Site
from tests.runtime.tiny_models import labels_engine


@pytest.mark.parametrize(
    ("text", "size"), [("400MB", 4e8), ("1.5 GB", 1.5e9), ("7mb", 7e6), ("512MiB", 512 << 20)]
)
def test_amounts_are_decimal_unless_they_say_otherwise(text: str, size: float) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "400", "24h", "0MB", "1e3MB", "-5MB", "400MBMB"])
def test_what_is_no_amount_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match=r"must be an amount of memory such as 400MB, 1\.5GB or 512MiB"):
        parse_memory(text)


def test_an_engine_that_takes_more_is_refused_before_any_stream_begins(tmp_path: Path) -> None:
    engine, output = labels_engine(tmp_path / "engine"), tmp_path / "out.jsonl"
    stream = StreamSettings("synthetic:64x48?frames=1", outputs=(str(output),))
    with pytest.raises(EngineError, match=r"running it once takes \d+ MB, max_memory allows 1 MB: build it"):
        Site(SiteSettings(str(engine), (stream,), max_memory="1MB"))
    assert not output.exists()


def test_it_is_told_when_more_was_taken() -> None:
    check_taken(peak_bytes() + 10**9)
    with pytest.raises(EngineError, match=r"stopped: \d+ MB were taken, max_memory allows 1 MB; run"):
        check_taken(10**6)


def test_a_run_within_it_goes_on_and_ends_when_it_takes_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = str(labels_engine(tmp_path / "engine"))
    asked = ["run", engine, "synthetic:64x48", "--frames", "2", "--max-memory", "64GB"]
    assert status_of(asked) == 0
    taken = iter((1, 1, 1 << 50))  # when it opens, at the first look, and then more than there is
    monkeypatch.setattr(memory, "peak_bytes", lambda **_: next(taken, 1 << 50))
    output = tmp_path / "out.jsonl"
    endless = ["run", engine, "synthetic:64x48", "-o", str(output), "--max-memory", "64GB"]
    assert status_of(endless) == 1
    assert "MB were taken, max_memory allows 64000 MB" in capsys.readouterr().err
    assert output.read_text().endswith("}\n")


def test_a_slip_is_told_before_anything_is_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", str(tmp_path / "engine"), "synthetic:64x48", "--frames", "1", "--max-memory", "24h"]
    assert status_of(asked) == 2
    assert "such as 400MB" in capsys.readouterr().err
