"""What `deploy/` offers is right: the unit for systemd, and the example of a site's settings."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.cli import status_of
from edgeseg.manifest import read_manifest
from edgeseg.runtime.settings import ServeSettings, SiteSettings, StreamSettings, ZoneSettings
from tests.docs.blocks import ROOT
from tests.runtime.tiny_models import labels_engine

DEPLOY = ROOT / "deploy"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "edgeseg.service"
    text = (DEPLOY / unit.name).read_text()
    unit.write_text(text.replace("/opt/edgeseg/bin/edgeseg", sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


def test_the_example_names_every_setting() -> None:
    text = (DEPLOY / "site.toml").read_text()
    for kind in (SiteSettings, StreamSettings, ZoneSettings, ServeSettings):
        for name in (field.name for field in dataclasses.fields(kind)):
            assert re.search(rf"(^|[\s\[.]){name}(\s=|\]\])", text, re.MULTILINE) or name == "serve", name


def test_the_example_is_right_but_for_the_name_of_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("pydantic", "starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(package)
    name = read_manifest(labels_engine(tmp_path / "engine")).spec.class_names[1]
    text = (DEPLOY / "site.toml").read_text().replace('"CLASS"', f'"{name}"')
    text = text.replace("/var/lib/edgeseg", str(tmp_path))  # the unit for systemd makes that folder
    (tmp_path / "site.toml").write_text(text)
    monkeypatch.setenv("GATE_PASSWORD", "secret")
    assert status_of(["run", "--config", str(tmp_path / "site.toml"), "--check"]) == 0
