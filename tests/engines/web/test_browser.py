"""The browser is the user's choice or the first one here, and ends with what was opened in it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from edgeseg.engines.web import browser, doctor
from edgeseg.engines.web.browser import Browser, find_browser, require_browser, version_of
from edgeseg.errors import EngineError


def program(folder: Path, name: str, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_the_user_may_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program(tmp_path / "bin", "mine", "echo Chromium 99.0 beta")
    monkeypatch.setenv("EDGESEG_BROWSER", str(mine))
    assert find_browser() == mine
    assert version_of(mine) == "Chromium 99.0"
    monkeypatch.setenv("EDGESEG_BROWSER", str(tmp_path / "nothing"))
    with pytest.raises(EngineError, match=r"EDGESEG_BROWSER names .*nothing, which cannot be run"):
        find_browser()


def test_the_first_that_is_here_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGESEG_BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(EngineError, match=r"apt-get install chromium"):
        require_browser()
    chrome = program(tmp_path / "bin", "google-chrome", "true")
    assert require_browser() == chrome


def test_one_that_ends_at_once_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program(tmp_path / "bin", "mine", "echo first >&2; echo no sandbox here >&2; exit 3")
    monkeypatch.setenv("EDGESEG_BROWSER", str(mine))
    started = Browser("http://127.0.0.1:9/")
    with pytest.raises(EngineError, match=r"^the browser ended \(status 3\): no sandbox here$"):
        watch(started)
    started.close()


def watch(started: Browser) -> None:
    while True:
        started.check()
        time.sleep(0.01)


def test_its_profile_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program(tmp_path / "bin", "mine", "sleep 100")
    monkeypatch.setenv("EDGESEG_BROWSER", str(mine))
    monkeypatch.setattr(browser.tempfile, "tempdir", str(tmp_path))
    started = Browser("http://127.0.0.1:9/")
    assert list(tmp_path.glob("edgeseg-browser-*"))
    started.check()
    started.close()
    started.close()
    assert not list(tmp_path.glob("edgeseg-browser-*"))


def test_doctor_says_what_is_here_and_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program(tmp_path / "bin", "mine", "echo Chromium 99.0")
    npm = program(tmp_path / "bin", "npm", "true")
    monkeypatch.setenv("EDGESEG_BROWSER", str(mine))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = doctor.examine(True)
    assert found == {"browser": "Chromium 99.0", "npm": str(npm)}
    assert [row[1:] for row in doctor.rows(found)] == [("Chromium 99.0", ""), (str(npm), "")]
    lacking = doctor.rows({"browser": None, "npm": None})
    assert [state for _, state, _ in lacking] == ["not here", "not here"]
    assert "apt-get install chromium" in lacking[0][2]
    assert "--runtime" in lacking[1][2]


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="needs chromium")
def test_it_ends_with_the_program_that_opened_it() -> None:
    program = """
import os
import subprocess
import sys
import time
from edgeseg.engines.web.browser import Browser
print(Browser("about:blank").id, flush=True)
time.sleep(1000)
"""
    command = [sys.executable, "-c", program]
    # Chromium puts a socket there, whose path has room for 107 bytes
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as short,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": short}
        ) as opened,
    ):
        assert opened.stdout is not None
        process = int(opened.stdout.readline())
        time.sleep(2)  # until it listens
        assert is_running(process)
        opened.kill()
    while is_running(process):
        time.sleep(0.1)


def is_running(process: int) -> bool:
    """Whether a process is there, and has not ended unnoticed by its parent."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
