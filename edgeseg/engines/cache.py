"""Name edgeseg's folder in the user's cache, and those in it in which libraries keep what they compiled."""

from __future__ import annotations

import os
from pathlib import Path

from edgeseg.errors import EngineError
from edgeseg.manifest import Manifest


def user_cache() -> Path:
    """Name edgeseg's folder in the user's cache, which need not be there.

    Raises:
        EngineError: if the user has no home.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "edgeseg"
    except RuntimeError as error:
        raise EngineError("this user has no home folder; set XDG_CACHE_HOME to a folder of caches") from error


def cache_folder(manifest: Manifest, owner: str) -> Path:
    """Make the folder of one engine: in the user's cache, as the engine itself may be read-only.

    Args:
        owner: a backend, or an execution provider.

    Raises:
        EngineError: if it cannot be made, or as `user_cache`.
    """
    folder = user_cache() / f"{manifest.model_sha256[:16]}-{manifest.precision}-{owner}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"{owner} keeps what it compiled in {folder}, which cannot be made ({error.strerror}); set "
            "XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return folder
