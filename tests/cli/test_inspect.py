from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from edgeseg.cli import status_of
from edgeseg.cli.inspect import inspect_model
from edgeseg.engines.building.package import pack
from edgeseg.engines.packed import PackedRequest, holds_package
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


@pytest.mark.parametrize("name", ["unet.edgeseg", "unet.zip"])
def test_a_package_says_what_it_asks_for_and_what_its_model_is(
    exported: ExportedModels, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    model = exported(unet, output_kind="labels").path
    pack(model, tmp_path / name, PackedRequest("mnn", "fp32"))
    assert status_of(["inspect", str(tmp_path / name), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "package"
    assert found["asks_for"] == {"backend": "mnn", "precision": "fp32", "device": "what the device chooses"}
    assert found["sha256"] == inspect_model(model)["sha256"]
    assert found["files"]["model.onnx"] == model.stat().st_size
    assert found["build"] == f"edgeseg build {tmp_path / name} -o ENGINE"


def test_a_damaged_package_is_called_one(
    exported: ExportedModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack(exported(unet, output_kind="labels").path, tmp_path / "whole.edgeseg", PackedRequest())
    (tmp_path / "cut.edgeseg").write_bytes((tmp_path / "whole.edgeseg").read_bytes()[:5000])
    assert status_of(["inspect", str(tmp_path / "cut.edgeseg")]) == 1
    assert "cut.edgeseg is damaged or not a package" in capsys.readouterr().err


def test_other_zip_archives_are_no_packages(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    shutil.copy(tmp_path / "weights.pt", tmp_path / "weights.zip")
    assert not holds_package(tmp_path / "weights.pt")
    assert not holds_package(tmp_path / "weights.zip")
    assert not holds_package(tmp_path)
