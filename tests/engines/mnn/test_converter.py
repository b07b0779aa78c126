"""MNN's converter runs without the program around it, which tells its makers of every conversion."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.runtime.tiny_models import MODEL_FILE, labels_engine

pytestmark = pytest.mark.skipif(find_spec("MNN") is None, reason="MNN is not installed")


def test_a_conversion_loads_nothing_that_reports_it(tmp_path: Path) -> None:
    engine, target = labels_engine(tmp_path / "engine"), tmp_path / "model.mnn"
    program = f"""
import sys
from edgeseg.engines.mnn.converter import main
sys.argv = ["converter", {str(engine / MODEL_FILE)!r}, {str(target)!r}]
main()
loaded = [name for name in sys.modules if name.startswith(("MNN.tools", "aliyun", "urllib.request"))]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True)
    assert target.stat().st_size
