"""Write and read engines: a folder with `manifest.json`, the files it names by hash, and a parity report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.errors import EngineError, SpecError
from edgeseg.files import is_passing, staged_folder, write_whole
from edgeseg.records import from_plain, to_plain
from edgeseg.spec import BackendName, ModelSpec, Precision

SPEC_KEY = "edgeseg.spec"  # of the ONNX metadata: the ModelSpec as JSON
PARITY_KEY = "edgeseg.parity"  # of the ONNX metadata: the parity report against PyTorch as JSON
GOLDEN_KEY = "edgeseg.golden"  # of the ONNX metadata: what PyTorch computed for generated images
SOURCE_KEY = "edgeseg.source"  # of a node's metadata: file and line of the PyTorch code
MODULE_KEY = "edgeseg.module"  # of a node's metadata: the submodule's name in its network
DENSE_CRF = "dense_crf"  # the submodule that a graph's CRF comes from
MANIFEST_NAME = "manifest.json"
PARITY_NAME = "parity.json"
PRECISION_NAME = "precision.json"  # of fp16 and int8 engines: what computes in which precision, and why
MANIFEST_VERSION = 1
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What an engine is: made from which model, by which backend, for which device, with which options.

    Attributes:
        files: sha256 of each file, by its name within the folder.
        options: belong to the backend.
        proven: whether the engine itself was run and compared when it was built; without its device only its
            graph was.
        built_on: what the engine is tied to, such as the library's version and the processor's name; the
            backend refuses to open it elsewhere.
    """

    backend: BackendName
    backend_version: str
    precision: Precision
    device: str
    spec: ModelSpec
    model_sha256: str
    files: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    built_on: Mapping[str, str] = field(default_factory=dict)
    proven: bool = True
    schema_version: int = MANIFEST_VERSION


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_engine(folder: Path, fill: Callable[[Path], Manifest]) -> Manifest:
    """Make an engine folder at once or not at all.

    Args:
        folder: where the engine goes; an engine that is there already is replaced, anything else is refused.
        fill: writes the engine's files into the folder it is given and returns the manifest.
            Hashes of `files` are computed here: `fill` only has to name them.

    Raises:
        EngineError: if `folder` holds something that is not an engine, cannot be written, or another run
            writes it.
    """
    folder = folder.resolve()
    with staged_folder(folder, EngineError) as staging:
        if folder.exists() and not _may_be_replaced(folder):
            raise EngineError(
                f"{folder} holds something else than an engine; choose another path or remove it"
            )
        manifest = fill(staging)
        plain = to_plain(manifest)
        plain["files"] = {name: sha256_of(staging / name) for name in sorted(manifest.files)}
        (staging / MANIFEST_NAME).write_text(_text_of(plain))
    return read_manifest(folder)


def replace_manifest(folder: Path, manifest: Manifest) -> None:
    """Put another manifest in the place of an engine's own, at once; the files it names stay as they are.

    Raises:
        EngineError: if there is no engine, it is another by now, or its folder cannot be written.
    """
    if read_manifest(folder).files != manifest.files:
        raise EngineError(f"{folder} has been built again meanwhile; its new manifest stays as it is")
    write_whole(folder / MANIFEST_NAME, _text_of(to_plain(manifest)).encode(), EngineError)


def _text_of(plain: Any) -> str:
    return json.dumps(plain, indent=2, sort_keys=True) + "\n"


def _may_be_replaced(folder: Path) -> bool:
    """Whether a folder is empty, or holds an engine (of any version) and nothing besides."""
    if not folder.is_dir():
        return False
    try:
        plain = json.loads((folder / MANIFEST_NAME).read_text())
        own = {MANIFEST_NAME, *plain["files"]} if {"backend", "spec"} <= set(plain) else set()
    except (OSError, ValueError, KeyError, TypeError):
        own = set()
    return {path.name for path in folder.iterdir() if not is_passing(path.name)} <= own


def read_manifest(folder: Path, *, check_files: bool = False) -> Manifest:
    """Read an engine's manifest.

    Args:
        check_files: also compare every file with its hash.

    Raises:
        EngineError: if there is no engine, its schema is another, or a file is missing or changed.
    """
    path = folder / MANIFEST_NAME
    try:
        plain = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise EngineError(
            f"{folder} is not an engine: it has no {MANIFEST_NAME}; make one with edgeseg build"
        ) from None
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise EngineError(f"{path} is damaged ({error}); build the engine again") from error
    version = plain.get("schema_version") if isinstance(plain, dict) else None
    if version != MANIFEST_VERSION:
        raise EngineError(
            f"{path} has schema version {version!r}, this edgeseg reads "
            f"{MANIFEST_VERSION}; build the engine again"
        )
    try:
        spec = ModelSpec.from_plain(plain.get("spec"))
        manifest = from_plain(Manifest, {**plain, "spec": to_plain(spec)})
    except SpecError as error:
        raise EngineError(f"{path} is not a manifest: {error}; build the engine again") from error
    if check_files:
        _check_files(folder, manifest)
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise EngineError(f"{folder / MANIFEST_NAME} names a file outside its folder: {name!r}")
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise EngineError(
                f"{folder / name} cannot be read: {error.strerror or error}; build the engine again"
            ) from error
        if found != expected:
            raise EngineError(
                f"{folder / name} is not the file that was built (its sha256 differs); build the engine again"
            )
