"""The code for TensorRT fits the signatures of the real bindings, which come without types of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KNOWN = ROOT / ".mypy_cache"  # of `make lint`: what does not call TensorRT is not checked again
BINDINGS = "tensorrt_rtx_bindings.tensorrt_rtx"
BROKEN_LINE = (
    "    def add_scale_nd("  # in the bindings' own signature a default precedes a parameter without one
)

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")


@pytest.mark.slow
def test_calls_of_tensorrt_fit_the_bindings(tmp_path: Path) -> None:
    subprocess.run([_tool("stubgen"), "--inspect-mode", "-m", BINDINGS, "-o", tmp_path, "-q"], check=True)
    stubs = (tmp_path / "tensorrt_rtx_bindings" / "tensorrt_rtx.pyi").read_text().splitlines(keepends=True)
    (tmp_path / "tensorrt").mkdir()
    kept = "".join(line for line in stubs if not line.startswith(BROKEN_LINE))
    (tmp_path / "tensorrt" / "__init__.pyi").write_text(kept)
    if KNOWN.is_dir():
        shutil.copytree(KNOWN, tmp_path / "cache")
    checked = subprocess.run(
        [_tool("mypy"), "--cache-dir", tmp_path / "cache"],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Found" in checked.stdout, (
        checked.stdout + checked.stderr
    )  # the generated stubs have faults themselves
    assert [line for line in checked.stdout.splitlines() if line.startswith("edgeseg/")] == []


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)
