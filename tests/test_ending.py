"""A process ends in order though threads are left behind in a library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys, tempfile, threading, time
from edgeseg.ending import end_beside_threads
class Late:
    def __del__(self):
        print("taken down")
late = Late()
folder = tempfile.TemporaryDirectory()
if sys.argv[1] == "left":
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print(folder.name, end="")
end_beside_threads(3)
print(" returned ", end="")
"""


def ended(threads: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CODE, threads], capture_output=True, text=True, check=False)


def test_what_was_said_arrives_and_what_was_temporary_goes() -> None:
    process = ended("left")
    assert process.returncode == 3
    assert Path(process.stdout).is_absolute()
    assert not Path(process.stdout).exists()
    assert not process.stderr


def test_without_such_threads_the_interpreter_ends_by_itself() -> None:
    process = ended("none")
    assert process.returncode == 0
    assert process.stdout.endswith(" returned taken down\n")
