"""Run the kernel that resizes under the compiler's sanitizers of addresses and of undefined behaviour."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("sanitized.cpp")
KERNEL = Path(__file__).parents[2] / "edgeseg" / "frames" / "native" / "resizing.cpp"
COMPILER = shutil.which("g++")


@pytest.mark.skipif(COMPILER is None, reason="there is no g++")
@pytest.mark.skipif(not KERNEL.exists(), reason="these tests have no checkout around them")
def test_the_kernel_keeps_to_its_memory(tmp_path: Path) -> None:
    program = tmp_path / "sanitized"
    flags = [
        "-std=c++17",
        "-O1",
        "-g",
        "-Wno-psabi",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ]
    built = run(str(COMPILER), *flags, str(SOURCE), "-o", str(program))
    if "cannot find" in built.stderr:
        pytest.skip("g++ has no library for -fsanitize=address,undefined")
    assert built.returncode == 0, built.stderr
    ran = run(str(program))
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    return subprocess.run(command, check=False, capture_output=True, text=True)
