"""What tests of batches share."""

from __future__ import annotations

import pytest

from edgeseg.batch import BatchSettings
from tests.runtime.tiny_models import labels_engine


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> BatchSettings:
    """Give settings with an engine that labels what is bright."""
    return BatchSettings(labels_engine(tmp_path_factory.mktemp("engine") / "engine"))
