"""A malicious file of every kind is refused by the command in one line, as any other, and runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgeseg.cli import status_of
from tests.export.ready.hostile_files import REASONS, WEIGHTS, WHOLE, zip_pickle

REFUSED = 1  # exit status


@pytest.fixture(autouse=True)
def strict_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bomb be one that does not take long to make."""
    monkeypatch.setenv("EDGESEG_LIMITS", "bytes=8M")


@pytest.mark.parametrize(
    ("kind", "is_whole"),
    [*((kind, True) for kind in WHOLE), *((kind, False) for kind in WEIGHTS)],
)
def test_it_is_refused_in_one_line_and_runs_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, is_whole: bool
) -> None:
    folder, canary, output = tmp_path / "files", tmp_path / "canary", tmp_path / "made.onnx"
    folder.mkdir()
    path = (WHOLE if is_whole else WEIGHTS)[kind](folder, canary)
    capfd.readouterr()
    model = [str(path)] if is_whole else ["auto", "--weights", str(path)]
    status = status_of(["export", *model, "--size", "32x48", "-o", str(output)])
    out, err = capfd.readouterr()
    assert status == REFUSED, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert path.name in err
    assert REASONS.get(kind, "") in err or not is_whole
    assert "Traceback" not in out
    assert not canary.exists()
    assert not output.exists()


def test_the_payload_would_have_run(tmp_path: Path) -> None:
    """Else the tests above would show nothing."""
    path = zip_pickle(tmp_path, tmp_path / "canary")
    torch.load(path, weights_only=False)
    assert (tmp_path / "canary").is_dir()
