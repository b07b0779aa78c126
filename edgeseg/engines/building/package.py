"""Pack a portable model, and what is known of building it, into one file that a device builds from.

The file is a zip archive: `package.json`, the model, and what helps to build it, such as calibrated ranges or
kernels that were timed on the same kind of device. Besides it holds what a program without edgeseg needs: the
schema of the spec, and frames with what is to be found in them.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from edgeseg.engines.building.golden_files import golden_files
from edgeseg.engines.packed import MANIFEST_NAME, PackedRequest
from edgeseg.engines.request import Request
from edgeseg.errors import EngineError, SpecError, UsageError, shown
from edgeseg.files import staged_file
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.choice import Int8Choice
from edgeseg.json_schema import json_schema
from edgeseg.limits import refuse_above
from edgeseg.proof.verify import verify_model
from edgeseg.reading import open_regular, parse_json, read_bytes, read_text, reading, refuse_zip_bomb
from edgeseg.records import Range, Ranged, from_json_value, to_json_value
from edgeseg.spec import ModelSpec

PACKAGE_VERSION = 2
SUFFIXES = (".edgeseg", ".zip")
MODEL_NAME = "model.onnx"
RANGES_NAME = "int8.json"  # ranges, and layers left in float
SCHEMA_NAME = "spec.schema.json"  # of the spec: a JSON Schema
ZIP_MAGIC = b"PK\x03\x04"
MAKE_AGAIN = "make it with edgeseg build --package"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Package(Ranged):
    """What a package holds.

    Attributes:
        request: what the device is asked to build.
        files: sha256 of each file, by its name; the model is MODEL_NAME.
    """

    request: PackedRequest
    spec: ModelSpec
    files: Mapping[str, str]
    schema_version: Annotated[int, Range(PACKAGE_VERSION, PACKAGE_VERSION)] = PACKAGE_VERSION


def pack(
    model: Path | PortableModel,
    target: Path,
    request: PackedRequest,
    *,
    attachments: Mapping[str, Path] | None = None,
) -> Package:
    """Write a package, after proving the model; equal contents give equal bytes.

    Args:
        target: the file to write, replaced if it exists.
        request: what the device is asked to build; options that are files are attachments instead.
        attachments: more files, by their name within the package.

    Raises:
        ExportError: if `model` is no portable model.
        ParityError: if it does not compute what PyTorch computed.
        UsageError: if the target's name does not end in one of SUFFIXES.
        EngineError: if the package cannot be written.
    """
    if target.suffix not in SUFFIXES:
        raise UsageError(f"a package ends in {' or '.join(SUFFIXES)}, got {target}")
    model = PortableModel.read(model)
    with staged_file(target, EngineError) as staged:
        verify_model(model).raise_if_failed(model.name)
        contents = {name: read_bytes(path) for name, path in (attachments or {}).items()}
        contents[MODEL_NAME] = model.to_bytes()
        contents[SCHEMA_NAME] = _text_of(json_schema(ModelSpec)).encode()
        contents |= golden_files(model, model.golden.seeds)
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
        package = Package(request, model.spec, hashes)
        _write(staged, to_json_value(package), contents)
    return package


def is_package(path: Path) -> bool:
    """Whether a file is a zip archive; nothing is said of its contents."""
    try:
        with open_regular(path) as file:
            return file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    except OSError:
        return False


def unpack(source: Path, folder: Path) -> Package:
    """Write a package's files into a folder, each while comparing it with its hash.

    Raises:
        EngineError: if it is not a package, of another version, damaged, or far larger than the file.
    """
    with (
        reading(source, EngineError, what="a package", fix=MAKE_AGAIN),
        open_regular(source) as file,
        zipfile.ZipFile(file) as archive,
    ):
        refuse_zip_bomb(archive, os.fstat(file.fileno()).st_size, str(source), EngineError)
        entry = archive.getinfo(MANIFEST_NAME)
        refuse_above("text", entry.file_size, f"{source}: {MANIFEST_NAME}", EngineError)
        try:
            package = _read_manifest(parse_json(archive.read(entry), EngineError, MANIFEST_NAME))
        except SpecError as error:
            raise EngineError(f"{source} is damaged or not a package ({error}); {MAKE_AGAIN}") from error
        for name in package.files:
            if Path(name).name != name or name in ("", ".."):
                raise EngineError(f"{source} is not a package: it names {shown(name)} outside of itself")
        for name, expected in package.files.items():
            if _unpacked(archive, name, folder) != expected:
                raise EngineError(f"{source}: {shown(name)} is not what was packed; copy the package again")
    return package


@dataclass(frozen=True)
class ToBuild:
    """What is built.

    Attributes:
        choice: of int8, where it came with a package.
    """

    model: PortableModel
    request: Request
    choice: Int8Choice | None = None


@contextmanager
def to_build(
    model: Path | PortableModel, asked: PackedRequest, threads: int | None = None
) -> Iterator[ToBuild]:
    """Open a portable model, or a package of one, whose request holds where nothing else is asked.

    The files of a package are there as long as the context.

    Raises:
        EngineError: as `unpack`, or if the package's int8 ranges are none.
        ExportError: if `model` is neither a package nor a portable model.
        UsageError: if no backend can do what is asked.
    """
    if isinstance(model, PortableModel) or not is_package(model):
        request = asked.request(threads)
        yield ToBuild(PortableModel.read(model), request)
        return
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as unpacked:
        folder = Path(unpacked)
        package = unpack(model, folder)
        request = package.request.but(asked).attached(package.files, folder).request(threads)
        packed = RANGES_NAME in package.files and request.precision == "int8"
        choice = _read_choice(folder / RANGES_NAME) if packed else None
        yield ToBuild(PortableModel.read(folder / MODEL_NAME), request, choice)


def _read_choice(path: Path) -> Int8Choice:
    with reading(path, EngineError, what="int8 ranges", fix="make the package again"):
        return Int8Choice.from_json(read_text(path, EngineError))


def _unpacked(archive: zipfile.ZipFile, name: str, folder: Path) -> str:
    """Write one file into the folder; returns its sha256."""
    digest = hashlib.sha256()
    with archive.open(name) as packed, (folder / name).open("wb") as file:
        while chunk := packed.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _read_manifest(parsed: Any) -> Package:
    version = parsed.get("schema_version") if isinstance(parsed, dict) else None
    if version != PACKAGE_VERSION:
        raise SpecError(f"it has schema version {shown(version)}, this edgeseg reads {PACKAGE_VERSION}")
    spec = ModelSpec.from_json_value(parsed.get("spec"))
    package = from_json_value(Package, {**parsed, "spec": to_json_value(spec)})
    try:
        package.request.request()
    except UsageError as error:
        raise SpecError(str(error)) from error
    if MODEL_NAME not in package.files:
        raise SpecError(f"it holds no {MODEL_NAME}")
    return package


def _write(target: Path, manifest: Any, contents: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry(MANIFEST_NAME), _text_of(manifest))
        for entry, data in sorted(contents.items()):
            archive.writestr(_entry(entry), data)


def _text_of(values: Any) -> str:
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def _entry(name: str) -> zipfile.ZipInfo:
    """Describe a file in the archive without the time of day."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
