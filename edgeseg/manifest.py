"""Write and read engines: a folder with `manifest.json`, the files it names by hash, and a parity report."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from edgeseg.errors import EngineError, SpecError, shown
from edgeseg.files import is_passing, staged_folder, write_whole
from edgeseg.reading import hash_of, open_regular, parse_json, read_text, reading
from edgeseg.records import Range, Ranged, from_json_value, to_json_value
from edgeseg.spec import ModelSpec, Precision

SPEC_KEY = "edgeseg.spec"  # of the ONNX metadata: the ModelSpec as JSON
PARITY_KEY = "edgeseg.parity"  # of the ONNX metadata: the parity report against PyTorch as JSON
GOLDEN_KEY = "edgeseg.golden"  # of the ONNX metadata: what PyTorch computed for generated images
SOURCE_KEY = "edgeseg.source"  # of a node's metadata: file and line of the PyTorch code
MODULE_KEY = "edgeseg.module"  # of a node's metadata: the submodule's name in its network
MANIFEST_NAME = "manifest.json"
PARITY_NAME = "parity.json"
RACE_NAME = "race.json"  # of engines that `auto` chose: the times of all, and which were turned down
TUNING_NAME = "tuning.json"  # of engines that a tuning kept: all that it made, and how they did
PRECISION_NAME = "precision.json"  # of fp16 and int8 engines: what computes in which precision, and why
MANIFEST_VERSION = 1
BUILD_AGAIN = "build the engine again"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class AppliedPass(Ranged):
    """What a pass did for a graph.

    Attributes:
        places: that it changed, each by the name of the value that it computes.
        times_faster: an inference of the whole network with it, as measured when the engine was built.
    """

    places: tuple[str, ...]
    times_faster: Annotated[float, Range(0, 1e6)]


@dataclass(frozen=True)
class Manifest(Ranged):
    """What an engine is: made from which model, by which backend, for which device, with which options.

    Attributes:
        files: sha256 of each file, by its name within the folder; empty until the engine is finished.
        options: belong to the backend, which knows their types and ranges.
        proven: whether the engine itself was run and compared when it was built; without its device only its
            graph was.
        passes: that made its graph faster here, by their titles, in the order in which they were applied.
        built_on: what the engine is tied to, such as the library's version and the processor's name; the
            backend refuses to open it elsewhere.
    """

    backend: str
    backend_version: str
    precision: Precision
    device: str
    spec: ModelSpec
    model_sha256: str
    files: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    passes: Mapping[str, AppliedPass] = field(default_factory=dict)
    built_on: Mapping[str, str] = field(default_factory=dict)
    proven: bool = True
    schema_version: Annotated[int, Range(MANIFEST_VERSION, MANIFEST_VERSION)] = MANIFEST_VERSION


def sha256_of(path: Path) -> str:
    """Return the sha256 of a regular file as hexadecimal digits. Raises OSError."""
    with open_regular(path) as file:
        return hash_of(file)


@contextmanager
def engine_folder(folder: Path) -> Iterator[Path]:
    """Make an engine folder at once or not at all: what the block leaves in the folder it is given.

    Args:
        folder: where the engine goes; an engine that is there already is replaced, anything else is refused.

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
        yield staging


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write an engine's manifest beside the files that it names, with their hashes, and read it back."""
    values = to_json_value(manifest)
    values["files"] = {name: sha256_of(folder / name) for name in sorted(manifest.files)}
    (folder / MANIFEST_NAME).write_text(_text_of(values))
    return read_manifest(folder)


def replace_manifest(folder: Path, manifest: Manifest) -> None:
    """Put another manifest in the place of an engine's own, at once; the files it names stay as they are.

    Raises:
        EngineError: if there is no engine, it is another by now, or its folder cannot be written.
    """
    if read_manifest(folder).files != manifest.files:
        raise EngineError(f"{folder} has been built again meanwhile; its new manifest stays as it is")
    write_whole(folder / MANIFEST_NAME, _text_of(to_json_value(manifest)).encode(), EngineError)


def _text_of(values: Any) -> str:
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def _may_be_replaced(folder: Path) -> bool:
    """Whether a folder is empty, or holds an engine (of any version) and nothing besides."""
    if not folder.is_dir():
        return False
    try:
        parsed = parse_json(read_text(folder / MANIFEST_NAME, EngineError), EngineError, MANIFEST_NAME)
        own = {MANIFEST_NAME, *parsed["files"]} if {"backend", "spec"} <= set(parsed) else set()
    except (OSError, ValueError, KeyError, TypeError, EngineError):
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
        with reading(path, EngineError, what="a manifest", fix=BUILD_AGAIN):
            parsed = parse_json(read_text(path, EngineError, follow=False), EngineError, str(path))
    except EngineError as error:
        if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
            if not folder.exists():
                raise EngineError(
                    f"{folder} does not exist; give an engine's folder, which edgeseg build makes"
                ) from None
            if folder.suffix == ".onnx" and not folder.is_dir():
                raise EngineError(
                    f"{folder} is a portable model, not an engine; make one: "
                    f"edgeseg build {folder} --precision fp32 -o {folder.with_suffix('')}"
                ) from None
            raise EngineError(
                f"{folder} is not an engine: it has no {MANIFEST_NAME}; make one with edgeseg build"
            ) from None
        raise
    version = parsed.get("schema_version") if isinstance(parsed, dict) else None
    if version != MANIFEST_VERSION:
        raise EngineError(
            f"{path} has schema version {shown(version)}, this edgeseg reads {MANIFEST_VERSION}; "
            f"{BUILD_AGAIN}"
        )
    try:
        spec = ModelSpec.from_json_value(parsed.get("spec"))
        manifest = from_json_value(Manifest, {**parsed, "spec": to_json_value(spec)})
    except SpecError as error:
        raise EngineError(f"{path} is not a manifest: {error}; {BUILD_AGAIN}") from error
    for name, sha256 in manifest.files.items():
        if Path(name).name != name or name in ("", ".."):
            raise EngineError(f"{path} names a file outside its folder: {shown(name)}")
        if not _SHA256.fullmatch(sha256):
            raise EngineError(f"{path} has no sha256 of {shown(name)}; {BUILD_AGAIN}")
        if check_files:
            with open_file(folder, manifest, name):
                pass
    return manifest


@contextmanager
def open_file(folder: Path, manifest: Manifest, name: str) -> Iterator[BinaryIO]:
    """Open one of an engine's files for reading, and compare its content with its hash.

    Whoever reads on from it reads what was compared, whatever is put in the file's place meanwhile. A file of
    an engine under construction has no hash yet.

    Raises:
        EngineError: if the manifest names no such file, it is no regular file of the folder, or was changed.
    """
    if name not in manifest.files:
        raise EngineError(f"{folder} has no file {shown(name)} that was built; {BUILD_AGAIN}")
    path, expected = folder / name, manifest.files[name]
    with reading(path, EngineError, what="a file of an engine", fix=BUILD_AGAIN, missing=BUILD_AGAIN):
        file = open_regular(path, follow=False)
    with file:
        if expected and hash_of(file) != expected:
            raise EngineError(f"{path} is not the file that was built (its sha256 differs); {BUILD_AGAIN}")
        yield file


def read_file(folder: Path, manifest: Manifest, name: str) -> bytes:
    """Read one of an engine's files whole; raises as `open_file`."""
    with open_file(folder, manifest, name) as file:
        return file.read()


def map_file(folder: Path, manifest: Manifest, name: str) -> mmap.mmap:
    """Map one of an engine's files into memory, which processes that map it share; raises as `open_file`.

    What is written into it stays in this process.
    """
    with open_file(folder, manifest, name) as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError as error:
            raise EngineError(f"{folder / name} is empty; {BUILD_AGAIN}") from error
