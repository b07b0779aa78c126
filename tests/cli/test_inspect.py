from __future__ import annotations

import pytest

from edgeseg.cli.inspect import inspect_model
from edgeseg.errors import ExportError
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import PARITY_KEY
from tests.export.small_networks import unet
from tests.exported_models import ExportedModels


def test_a_model_says_what_frames_it_was_proven_from(
    exported: ExportedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported(unet, output_kind="labels").path
    found = inspect_model(path)["proven_from_frames"]
    assert found["frames"] == 3
    assert found["frame_label_agreement"] > 0.5
    kept = dict(PortableModel.read(path).metadata)
    metadata = property(lambda model: {**kept, PARITY_KEY: '{"figures": {"label_agreement": 1.0}}'})
    monkeypatch.setattr(PortableModel, "metadata", metadata)
    assert "proven_from_frames" not in inspect_model(path)
    monkeypatch.setattr(PortableModel, "metadata", property(lambda model: {**kept, PARITY_KEY: "{}"}))
    with pytest.raises(ExportError, match="export it again"):
        inspect_model(path)
