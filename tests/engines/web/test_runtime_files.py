"""ONNX Runtime Web comes from npm, from the cache or from where the user says, and is what it should be."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from edgeseg.engines.web import runtime_files
from edgeseg.engines.web.runtime_files import FILES, PACKAGE, VERSION, put_runtime
from edgeseg.errors import EngineError

OTHER_VERSION = "1.29.0"


def quiet(step: str) -> None:
    """Take what is said."""


def contents(name: str = PACKAGE) -> dict[str, bytes]:
    package = json.dumps({"name": name, "version": OTHER_VERSION}).encode()
    return {"package.json": package, **{f"dist/{source}": source.encode() for source in FILES.values()}}


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def archive_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("kind", ["folder", "dist", "archive"])
def test_it_is_taken_from_where_the_user_says(kind: str, tmp_path: Path, target: Path) -> None:
    if kind == "archive":
        given = archive_of(tmp_path / "mine.tgz", contents())
    else:
        given = folder_of(tmp_path / "mine", contents()) / ("dist" if kind == "dist" else "")
    assert put_runtime(target, given, quiet) == OTHER_VERSION
    assert {file.name: file.read_text() for file in target.iterdir()} == FILES


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_another_package_or_a_part_of_it_is_refused(kind: str, tmp_path: Path, target: Path) -> None:
    make, end = (folder_of, "") if kind == "folder" else (archive_of, ".tgz")
    with pytest.raises(EngineError, match=r"not the npm package onnxruntime-web but 'onnxruntime-node'"):
        put_runtime(target, make(tmp_path / f"other{end}", contents("onnxruntime-node")), quiet)
    part = dict(list(contents().items())[:-1])
    with pytest.raises(EngineError, match=r"install npm, or give --runtime"):
        put_runtime(target, make(tmp_path / f"part{end}", part), quiet)


def test_what_is_no_archive_or_not_there_is_refused(tmp_path: Path, target: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(EngineError, match=r"text is damaged or not the npm package"):
        put_runtime(target, tmp_path / "text", quiet)
    with pytest.raises(EngineError, match=r"cannot be read: No such file"):
        put_runtime(target, tmp_path / "nothing", quiet)


def npm(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program in npm's place; the fifth argument is the folder to pack into."""
    folder.mkdir()
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin{os.pathsep}/usr/bin")


def test_npm_is_asked_once_and_its_package_compared_with_its_hash(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive_of(tmp_path / "packed.tgz", contents())
    npm(tmp_path / "bin", f'cp {packed} "$5/{PACKAGE}-{VERSION}.tgz"', monkeypatch)
    with pytest.raises(
        EngineError, match=r"what npm gave is not onnxruntime-web 1.30.0 \(its sha512 differs\)"
    ):
        put_runtime(target, None, quiet)
    digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    monkeypatch.setattr(runtime_files, "INTEGRITY", digest)
    said: list[str] = []
    put_runtime(target, None, said.append)
    put_runtime(target, None, said.append)
    assert said == ["fetching onnxruntime-web 1.30.0 by npm"]


def test_a_damaged_cache_is_not_used(
    tmp_path: Path, own_cache: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = own_cache / "edgeseg" / "web" / f"{PACKAGE}-{VERSION}.tgz"
    kept.parent.mkdir(parents=True)
    archive_of(kept, contents())
    npm(tmp_path / "bin", "echo the registry is closed >&2; exit 1", monkeypatch)
    with pytest.raises(
        EngineError, match=r"npm does not give onnxruntime-web 1.30.0 \(the registry is closed\)"
    ):
        put_runtime(target, None, quiet)


def test_without_npm_it_is_said_what_to_do(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        EngineError, match=r"npm is not here; install npm, or give --runtime, the npm package"
    ):
        put_runtime(target, None, quiet)


def test_the_pinned_package_is_what_npm_has(runtime: Path, target: Path) -> None:
    assert put_runtime(target, runtime, quiet) == VERSION
    assert b"ONNX Runtime Web v1.30.0" in (target / "ort-wasm.js").read_bytes()[:200]
    assert (target / "ort-wasm.wasm").read_bytes()[:4] == b"\0asm"
