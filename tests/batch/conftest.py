"""What tests of batches share."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.batch import BatchSettings, run_batch
from tests.runtime.tiny_models import labels_engine


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> BatchSettings:
    """Give settings with an engine that labels what is bright."""
    return BatchSettings(labels_engine(tmp_path_factory.mktemp("engine") / "engine"))


@pytest.fixture(scope="module")
def whole(archive: Path, settings: BatchSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the results that one process writes of a module's `archive`, with nothing killed."""
    output = tmp_path_factory.mktemp("whole") / "out"
    run_batch(settings, [str(archive)], output, workers=1)
    return output
