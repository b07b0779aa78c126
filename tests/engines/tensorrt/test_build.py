"""What is asked of TensorRT that it cannot do is refused before it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.errors import UsageError
from tests.export.small_networks import unet
from tests.exported_models import ExportedModels


def test_a_dla_is_not_asked_for_fp32(exported: ExportedModels, tmp_path: Path) -> None:
    wanted = Request("tensorrt", "fp32", options={"dla_core": 0})
    with pytest.raises(UsageError, match=r"computes in float16 and int8.*build with --precision fp16"):
        build_engine(exported(unet).path, tmp_path / "engine", request=wanted)
    assert not (tmp_path / "engine").exists()
