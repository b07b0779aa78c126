"""Optional packages are imported without a word to their makers, or named with their install command."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.errors import MissingExtraError
from edgeseg.extras import require


def test_a_missing_package_comes_with_its_command() -> None:
    with pytest.raises(
        MissingExtraError, match=r"nowhere is not installed; run: pip install 'edgeseg\[cpu\]'"
    ):
        require("nowhere", "cpu")


def test_a_package_that_is_there_and_broken_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half.py").write_text("import of_another_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match="half is there, but cannot be loaded") as raised:
        require("half", "cpu")
    assert "No module named 'of_another_package'" in str(raised.value)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


@pytest.mark.parametrize("package", ["onnxruntime", "openvino"])
def test_an_imported_library_keeps_no_record_of_its_user(package: str, tmp_path: Path) -> None:
    pytest.importorskip(package)
    program = f"""
import sys
from edgeseg.extras import require
require("{package}", "")
assert "openvino_telemetry" not in sys.modules
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    environment["HOME"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []  # a device's or client's number would be kept here


def test_a_cluster_that_starts_here_reports_nothing() -> None:
    pytest.importorskip("ray")
    program = """
from edgeseg.extras import require
ray = require("ray", "scale")
from ray._common.usage.usage_lib import usage_stats_enabled
assert not usage_stats_enabled()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_user_may_leave_the_reports_on() -> None:
    pytest.importorskip("onnxruntime")
    program = """
import onnxruntime
onnxruntime.disable_telemetry_events = None
from edgeseg.extras import require
require("onnxruntime", "cpu")
"""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_what_reported_before_may_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "openvino_telemetry.py").touch()
    (tmp_path / "openvino.py").write_text(
        "try:\n    import openvino_telemetry as reporter\nexcept ImportError:\n    reporter = None\n"
    )
    program = """
import openvino_telemetry
from edgeseg.extras import require
assert require("openvino", "openvino").reporter is None
import openvino_telemetry
"""
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
        check=True,
    )
