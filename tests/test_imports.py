"""The layers of the design hold, and importing edgeseg stays light."""

from __future__ import annotations

import subprocess
import sys

import pytest
from importlinter.cli import lint_imports

HEAVY = ("av", "cv2", "torch", "onnx", "onnxruntime", "rich", "pycocotools")


def test_imports_point_down_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize("module", ["edgeseg", "edgeseg.runtime", "edgeseg.cli"])
def test_importing_loads_no_engine_and_no_opencv(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
