"""Name the folder in which a library keeps what it compiled for an engine."""

from __future__ import annotations

import os
from pathlib import Path

from edgeseg.errors import EngineError
from edgeseg.manifest import Manifest


def cache_folder(manifest: Manifest, owner: str) -> Path:
    """Make the folder of one engine: in the user's cache, as the engine itself may be read-only.

    Args:
        owner: a backend, or an execution provider.

    Raises:
        EngineError: if it cannot be made.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "edgeseg" / f"{manifest.model_sha256[:16]}-{manifest.precision}-{owner}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"{owner} keeps what it compiled in {folder}, which cannot be made ({error.strerror}); set "
            "XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return folder
