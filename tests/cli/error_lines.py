"""The one line that a command ends with when it fails."""

from __future__ import annotations

import pytest


def error_line(capfd: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    return lines[0]
