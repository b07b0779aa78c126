"""What the tests of several commands share: an engine, and an image for it."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgeseg.runtime.sources.synthetic import SyntheticSource
from tests.runtime.tiny_models import labels_engine


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return labels_engine(tmp_path / "engine")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), next(iter(SyntheticSource((48, 64)))).image)
    return path
