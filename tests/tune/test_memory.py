"""The memory of an engine is that of a process which runs it; what fails or takes too long has none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeseg.tune.memory import peak_of
from tests.runtime.tiny_models import labels_engine

LEAST_BYTES = 20 << 20  # Python and NumPy alone hold more


def test_a_process_that_runs_an_engine_tells_what_it_held(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((16, 16, 3), np.uint8))
    held = peak_of(labels_engine(tmp_path / "engine"), tmp_path / "a.png")
    assert held is not None
    assert held > LEAST_BYTES
    assert peak_of(tmp_path / "no-engine", tmp_path / "a.png") is None
    assert peak_of(tmp_path / "engine", tmp_path / "a.png", timeout_s=0.001) is None
