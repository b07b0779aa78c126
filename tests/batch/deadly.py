"""Pictures that really kill whoever decodes them, or fail in no known way, as decoders with a fault would."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import pytest

from tests.batch.archives import image_of

DEADLY, FAILING = 77, 78  # the first value of such a picture

# Python imports it when it starts: in the processes that a batch starts, not in the test's own.
FAULT = f"""
import os, signal
import cv2

decode = cv2.imdecode

def imdecode(data, flags):
    image = decode(data, flags)
    if image is not None and image.flat[0] == {DEADLY}:
        os.kill(os.getpid(), signal.SIGSEGV)
    if image is not None and image.flat[0] == {FAILING}:
        raise RuntimeError("a fault")
    return image

cv2.imdecode = imdecode
"""


def have_a_fault(folder: Path, patch: pytest.MonkeyPatch, code: str = FAULT) -> None:
    """Run this code first in each Python process that is started from now on."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))


def deadly_picture(number: int, mark: int = DEADLY) -> bytes:
    """Give the file of a picture that kills, or fails, after `have_a_fault`."""
    image = image_of(number)
    image[0, 0] = mark
    return cv2.imencode(".png", image)[1].tobytes()
