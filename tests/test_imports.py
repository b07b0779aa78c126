"""The layers of the design hold, and importing edgeseg stays light."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ENGINES = ("MNN", "ncnn", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "cuda")
ROOT = Path(__file__).parents[1]
PATTERNS = ("benchmarks/**/*.py", "examples/*.py", "tools/**/*.py")
PROGRAMS = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
HEAVY = ("av", "cv2", "torch", "onnx", "rich", "pycocotools", "http.client", "ssl", *ENGINES)


def test_imports_point_down_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "module",
    [
        "edgeseg",
        "edgeseg.runtime",
        "edgeseg.runtime.pipeline",
        "edgeseg.cli",
        "edgeseg.engines",
        "edgeseg.engines.request",
        "edgeseg.evaluation",
        "edgeseg.export",
        "edgeseg.remote.profile",
        "edgeseg.serving",
        "edgeseg.serving.triton.front",
    ],
)
def test_importing_loads_no_engine_and_no_opencv(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_what_backends_say_of_themselves_loads_no_library() -> None:
    code = f"""
import sys
from edgeseg.engines.registry import backends, facts_of, part_of
for name in backends():
    assert part_of(name, "options").BuildOptions() is not None
    assert facts_of(name).devices
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_program_imports_what_is_there(program: Path) -> None:
    """Of most benchmarks no other test runs a line."""
    pytest.importorskip("torch")
    runpy.run_path(str(program), run_name="imported")
