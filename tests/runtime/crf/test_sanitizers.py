"""Run the kernel under the compiler's sanitizers: address and undefined behaviour, then data races."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("sanitized.cpp")
COMPILER = shutil.which("g++")


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="there is no g++")
@pytest.mark.parametrize(
    ("sanitizer", "optimisation", "arguments"),
    [
        ("address,undefined", "-O0", []),  # compiling takes longer than running
        ("thread", "-O1", ["2"]),  # the other way round; only several threads have races
    ],
    ids=["address,undefined", "thread"],
)
def test_kernel_is_clean(tmp_path, sanitizer, optimisation, arguments):
    program = tmp_path / "sanitized"
    flags = ["-std=c++17", optimisation, "-g", "-pthread", f"-fsanitize={sanitizer}"]
    flags += ["-fno-sanitize-recover=all"]
    built = run(COMPILER, *flags, str(SOURCE), "-o", str(program))
    if "cannot find" in built.stderr:
        pytest.skip(f"g++ has no library for -fsanitize={sanitizer}")
    assert built.returncode == 0, built.stderr
    ran = run(str(program), *arguments)
    if "unexpected memory mapping" in ran.stderr:
        pytest.skip("this system's address space layout does not suit the thread sanitizer")
    assert ran.returncode == 0, ran.stderr[-3000:]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    return subprocess.run(command, check=False, capture_output=True, text=True)
