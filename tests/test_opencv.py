"""OpenCV is imported at its first use, and missed with the command that installs it."""

from __future__ import annotations

import subprocess
import sys


def test_it_is_imported_at_its_first_use() -> None:
    run("assert is_installed() and 'cv2' not in sys.modules; cv2.flip; assert 'cv2' in sys.modules")


def test_it_is_there_before_the_first_frame() -> None:
    run(
        """
from edgeseg.frames.preprocess import Preprocessor
from edgeseg.spec import InputSpec
assert "cv2" not in sys.modules
Preprocessor(InputSpec(height=32, width=48))
assert "cv2" in sys.modules
"""
    )


def test_where_it_is_missing_using_it_says_what_installs_it() -> None:
    program = """
sys.modules["cv2"] = None
assert not is_installed()
try:
    cv2.flip
except edgeseg.errors.MissingExtraError as error:
    assert str(error) == "cv2 is not installed; run: pip install 'edgeseg[media]'"
else:
    sys.exit("nothing was said")
"""
    run(program)


def run(program: str) -> None:
    begin = "import sys, edgeseg.errors; from edgeseg.opencv import cv2, is_installed\n"
    subprocess.run([sys.executable, "-c", begin + program], check=True)
