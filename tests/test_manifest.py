"""An engine folder is made whole or not at all, and a changed file is noticed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.errors import EngineError
from edgeseg.manifest import MANIFEST_NAME, Manifest, engine_folder, read_file, read_manifest, seal
from tests.test_spec import SPEC


def _fill(staging: Path) -> Manifest:
    (staging / "model.bin").write_bytes(b"weights")
    return Manifest("onnxruntime", "1.0", "fp32", "cpu", SPEC, "ab", {"model.bin": ""}, {"threads": 2})


def write_engine(folder: Path, fill: Callable[[Path], Manifest]) -> Manifest:
    with engine_folder(folder) as staging:
        return seal(staging, fill(staging))


def test_written_engine_reads_back(tmp_path: Path) -> None:
    written = write_engine(tmp_path / "deep" / "engine", _fill)
    assert read_manifest(tmp_path / "deep" / "engine", check_files=True) == written
    assert written.spec == SPEC
    assert len(written.files["model.bin"]) == 64


def test_an_engine_is_replaced_but_nothing_else_is(tmp_path: Path) -> None:
    write_engine(tmp_path / "engine", _fill)
    write_engine(tmp_path / "engine", _fill)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(EngineError, match="holds something else than an engine; choose another path"):
        write_engine(tmp_path / "photos", _fill)
    assert (tmp_path / "photos" / "cat.png").exists()


@pytest.mark.parametrize("manifest", ['{"name": "my app"}', "{}", "not json", None])
def test_what_only_looks_like_an_engine_or_holds_more_is_kept(tmp_path: Path, manifest: str | None) -> None:
    folder = tmp_path / "webapp"
    if manifest is None:
        write_engine(folder, _fill)
    else:
        folder.mkdir()
        (folder / MANIFEST_NAME).write_text(manifest)
    (folder / "thesis.txt").touch()
    with pytest.raises(EngineError, match="holds something else"):
        write_engine(folder, _fill)
    assert (folder / "thesis.txt").exists()


def test_an_engine_of_an_older_version_is_replaced(tmp_path: Path) -> None:
    write_engine(tmp_path / "engine", _fill)
    path = tmp_path / "engine" / MANIFEST_NAME
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 0'))
    write_engine(tmp_path / "engine", _fill)
    assert read_manifest(tmp_path / "engine", check_files=True).files
    assert [path.name for path in tmp_path.iterdir()] == ["engine"]


def test_a_failed_build_leaves_nothing_and_keeps_the_old_engine(tmp_path: Path) -> None:
    old = write_engine(tmp_path / "engine", _fill)

    def fail(staging: Path) -> Manifest:
        (staging / "half").touch()
        raise EngineError("no")

    with pytest.raises(EngineError, match="no"):
        write_engine(tmp_path / "engine", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["engine"]
    assert read_manifest(tmp_path / "engine") == old


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda e: (e / "model.bin").write_bytes(b"Weights"), "its sha256 differs"),
        (lambda e: (e / "model.bin").unlink(), "cannot be read"),
        (lambda e: (e / MANIFEST_NAME).unlink(), "is not an engine"),
        (lambda e: (e / MANIFEST_NAME).write_text("{"), "is damaged .*; build the engine again"),
        (lambda e: (e / MANIFEST_NAME).write_text(""), "is damaged .*; build the engine again"),
        (lambda e: (e / MANIFEST_NAME).write_text("[]"), "schema version None"),
        (lambda e: (e / MANIFEST_NAME).write_text('{"schema_version": 1}'), "is not a manifest"),
    ],
)
def test_a_damaged_engine_is_refused(tmp_path: Path, damage: object, message: str) -> None:
    write_engine(tmp_path / "engine", _fill)
    damage(tmp_path / "engine")  # type: ignore[operator]
    with pytest.raises(EngineError, match=message):
        read_manifest(tmp_path / "engine", check_files=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "model.bin cannot be read: it is a pipe, not a file"),
        (os.mkdir, "model.bin cannot be read: Is a directory"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a link, not a file"),
        (lambda path: path.symlink_to(path.parent.parent / "outside"), "it is a link, not a file"),
    ],
)
def test_a_file_that_is_none_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    write_engine(tmp_path / "engine", _fill)
    (tmp_path / "engine" / "model.bin").rename(tmp_path / "outside")
    make(tmp_path / "engine" / "model.bin")
    with pytest.raises(EngineError, match=message):
        read_manifest(tmp_path / "engine", check_files=True)


def test_a_pipe_for_a_manifest_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MANIFEST_NAME)
    with pytest.raises(EngineError, match="it is a pipe, not a file"):
        read_manifest(tmp_path)


def test_a_model_is_told_how_to_become_an_engine(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    with pytest.raises(EngineError, match="does not exist; give an engine's folder"):
        read_manifest(model)
    model.write_bytes(b"a model")
    with pytest.raises(EngineError, match=r"make one: edgeseg build \S+/model\.onnx .* -o \S+"):
        read_manifest(model)


def test_files_are_read_by_their_names_and_hashes_alone(tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    manifest = write_engine(folder, _fill)
    assert read_file(folder, manifest, "model.bin") == b"weights"
    (folder / "other.bin").write_bytes(b"weights")
    with pytest.raises(EngineError, match=r"has no file 'other\.bin' that was built"):
        read_file(folder, manifest, "other.bin")
    (folder / "model.bin").write_bytes(b"Weights")  # after it was checked
    with pytest.raises(EngineError, match="its sha256 differs"):
        read_file(folder, manifest, "model.bin")


def test_a_manifest_cannot_reach_outside_its_folder(tmp_path: Path) -> None:
    write_engine(tmp_path / "engine", _fill)
    path = tmp_path / "engine" / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["files"] = {"../secret": "00"}
    path.write_text(json.dumps(manifest))
    with pytest.raises(EngineError, match="outside its folder"):
        read_manifest(tmp_path / "engine", check_files=True)
