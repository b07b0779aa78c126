"""Pack an engine's folder into bytes, and unpack it on another node, once for each content."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from edgeseg.errors import EngineError
from edgeseg.files import Claim, unwritable
from edgeseg.manifest import MANIFEST_NAME, read_manifest

UNPACK_S = 60.0  # that another process of the node may take to unpack the engine


def digest_of(folder: Path, *, check_files: bool = True) -> str:
    """Give the sha256 of an engine's manifest, which names its files by theirs.

    Args:
        check_files: compare the files with their hashes, which takes a second for each GB.

    Raises:
        EngineError: if there is no engine, or a file of it was changed.
    """
    read_manifest(folder, check_files=check_files)
    return hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest()


def packed(folder: Path) -> bytes:
    """Put the files of an engine into one."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return data.getvalue()


def folder_of(digest: str, use: str) -> Path:
    """Name the folder that an engine is put into on this node, and make the one around it.

    Args:
        digest: names the folder.
        use: names the folder around it, of this user.

    Raises:
        EngineError: if that folder is another user's.
    """
    folder = Path(tempfile.gettempdir()) / f"edgeseg-{use}-{os.getuid()}" / digest
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    if folder.parent.stat().st_uid != os.getuid():
        raise EngineError(f"{folder.parent} is another user's; remove it, or set TMPDIR on this node")
    return folder


def unpacked(package: bytes, digest: str, use: str) -> Path:
    """Put an engine into a folder of this node, once for all who want it.

    One that is there is kept while its files are whole: something may have cleaned the folder.

    Args:
        digest, use: as for `folder_of`.

    Raises:
        EngineError: if that folder is another user's, or cannot be written.
    """
    folder = folder_of(digest, use)
    with Claim(folder, EngineError, wait_s=UNPACK_S) as claim:
        if not _is_whole(folder):
            staged = claim.staging()
            try:
                with zipfile.ZipFile(io.BytesIO(package)) as archive:
                    archive.extractall(staged)
            except OSError as error:
                shutil.rmtree(staged, ignore_errors=True)
                raise unwritable(folder, error, EngineError) from error
            claim.put(staged)
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        read_manifest(folder, check_files=True)
    except EngineError:
        return False
    return True
