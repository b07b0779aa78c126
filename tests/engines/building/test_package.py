"""A package carries a model to a device unchanged, with what its builder wanted."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import onnx
import pytest

from edgeseg.engines.building.package import (
    MANIFEST_NAME,
    MODEL_NAME,
    SCHEMA_NAME,
    is_package,
    pack,
    unpack,
)
from edgeseg.engines.packed import PackedRequest
from edgeseg.errors import EngineError, ParityError, UsageError
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import sha256_of
from tests.export import small_networks
from tests.exported_models import ExportedModels


@pytest.fixture(scope="module")
def model(exported: ExportedModels) -> Path:
    return exported(small_networks.unet).path


@pytest.fixture(scope="module")
def packed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("packed") / "unet.edgeseg"
    pack(model, target, PackedRequest("openvino"))
    return target


def test_what_goes_in_comes_out(model: Path, tmp_path: Path) -> None:
    timings = tmp_path / "timings"
    timings.write_bytes(b"kernels")
    request = PackedRequest("openvino", "fp32", options={"hint": "throughput"})
    target = tmp_path / "new" / "unet.edgeseg"
    pack(model, target, request, attachments={"timing.cache": timings})
    package = unpack(target, tmp_path)
    assert package.request == request
    assert package.spec == PortableModel.read(model).spec
    assert sha256_of(tmp_path / MODEL_NAME) == package.files[MODEL_NAME] == sha256_of(model)
    assert (tmp_path / "timing.cache").read_bytes() == b"kernels"
    assert [path.name for path in target.parent.iterdir()] == ["unet.edgeseg"]


def test_equal_contents_give_equal_bytes(model: Path, packed: Path, tmp_path: Path) -> None:
    pack(model, tmp_path / "again.zip", PackedRequest("openvino"))
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_a_package_says_what_its_spec_may_be(packed: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    with zipfile.ZipFile(packed) as archive:
        spec = json.loads(archive.read(MANIFEST_NAME))["spec"]
        validator = jsonschema.Draft202012Validator(json.loads(archive.read(SCHEMA_NAME)))
    validator.validate(spec)
    assert not validator.is_valid({**spec, "task": "panoptic"})
    assert not validator.is_valid({**spec, "input": {**spec["input"], "resize": "crop"}})
    assert not validator.is_valid({name: value for name, value in spec.items() if name != "graph"})


def test_packages_are_known_by_their_first_bytes(model: Path, packed: Path, tmp_path: Path) -> None:
    assert is_package(packed)
    assert not is_package(model)
    assert not is_package(tmp_path)


def test_a_changed_model_is_not_packed(model: Path, tmp_path: Path) -> None:
    changed = onnx.load(model)
    next(node for node in changed.graph.node if node.op_type == "Relu").op_type = "LeakyRelu"
    onnx.save(changed, tmp_path / "changed.onnx")
    with pytest.raises(ParityError, match="does not compute what PyTorch computes"):
        pack(tmp_path / "changed.onnx", tmp_path / "changed.edgeseg", PackedRequest())
    assert not (tmp_path / "changed.edgeseg").exists()


def test_another_suffix_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.edgeseg or \.zip, got .*unet.onnx"):
        pack(model, tmp_path / "unet.onnx", PackedRequest())


def test_a_file_in_the_place_of_a_folder_is_one_line(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot write"):
        pack(model, tmp_path / "file" / "unet.edgeseg", PackedRequest())


def _rewritten(packed: Path, target: Path, **changed: bytes | None) -> Path:
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            data = changed.get(name.partition(".")[0], source.read(name))
            if data is not None:
                archive.writestr(name, data)
    return target


def test_a_package_that_unpacks_to_far_more_than_it_is_is_refused(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = tmp_path / "bomb.edgeseg"
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        manifest = json.loads(source.read(MANIFEST_NAME))
        alone = {MODEL_NAME: manifest["files"][MODEL_NAME]}
        archive.writestr(MANIFEST_NAME, json.dumps({**manifest, "files": alone}))
        archive.writestr(MODEL_NAME, bytes(4 << 20))
    with pytest.raises(EngineError, match="is not what was packed"):
        unpack(bomb, tmp_path)
    monkeypatch.setenv("EDGESEG_LIMITS", "bytes=1M")
    with pytest.raises(EngineError, match=r"unpacked takes 3\.99\d* MiB, .*edgeseg --limit bytes=4M"):
        unpack(bomb, tmp_path)
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST_NAME, "[" * (17 << 20))
    monkeypatch.delenv("EDGESEG_LIMITS")
    with pytest.raises(EngineError, match=r"package\.json takes 17 MiB, at most 16"):
        unpack(bomb, tmp_path)


def test_a_pipe_is_no_package(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.edgeseg")
    assert not is_package(tmp_path / "pipe.edgeseg")
    with pytest.raises(EngineError, match="it is a pipe, not a file"):
        unpack(tmp_path / "pipe.edgeseg", tmp_path)


def test_damage_is_one_line(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        manifest = json.loads(archive.read(MANIFEST_NAME))
    older = json.dumps({**manifest, "schema_version": 0}).encode()
    outside = json.dumps({**manifest, "files": {**manifest["files"], "../model.onnx": "0"}}).encode()
    unknown = json.dumps({**manifest, "request": {"backend": "build"}}).encode()
    bare = json.dumps({**manifest, "files": {}}).encode()
    damaged = {
        _rewritten(packed, tmp_path / "other.zip", model=b"other"): "is not what was packed",
        _rewritten(packed, tmp_path / "no-model.zip", model=None): "is damaged or not a package",
        _rewritten(packed, tmp_path / "no-manifest.zip", package=None): "make it with edgeseg build",
        _rewritten(packed, tmp_path / "no-json.zip", package=b"{"): "is damaged or not a package",
        _rewritten(packed, tmp_path / "older.zip", package=older): "schema version 0, this edgeseg reads 2",
        _rewritten(packed, tmp_path / "outside.zip", package=outside): "not a package",
        _rewritten(packed, tmp_path / "unknown.zip", package=unknown): "there is no backend 'build'",
        _rewritten(packed, tmp_path / "bare.zip", package=bare): "holds no model.onnx",
    }
    (tmp_path / "cut.zip").write_bytes(packed.read_bytes()[:1000])
    damaged[tmp_path / "cut.zip"] = "not a package"
    damaged[tmp_path / "none.zip"] = "cannot be read"
    (tmp_path / "into").mkdir()
    for path, message in damaged.items():
        with pytest.raises(EngineError, match=message) as caught:
            unpack(path, tmp_path / "into")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "model.onnx").exists()
