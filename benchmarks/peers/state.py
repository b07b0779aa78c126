"""Tell states of the package apart, so that what an earlier one made is not measured as today's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from benchmarks.peers.process import ROOT

EXPORTING = ("models", "export", "graph", "proof")
BUILDING = (*EXPORTING, "engines")


def state_of(folders: Sequence[str]) -> str:
    """Hash the sources of some folders of the package."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / "edgeseg" / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]
