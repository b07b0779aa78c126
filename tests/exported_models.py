"""Turn networks and settings into portable models, each once for all tests of a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.export.exporter import Settings, export_network
from edgeseg.manifest import sha256_of
from edgeseg.models.network import Network
from edgeseg.proof.report import ParityReport
from tests.export.small_networks import SIZE_HW

READ_ONLY = 0o444


@dataclass(frozen=True)
class Exported:
    """A portable model that other tests read, too: to change it, save what `onnx.load` gives elsewhere."""

    path: Path
    report: ParityReport


class ExportedModels:
    """Export what is asked for the first time, and give the same file every time after.

    Args:
        folder: to write into, that lasts as long as the session.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Exported] = {}
        self._hashes: dict[Path, str] = {}

    def __call__(self, make: Callable[..., Network], *arguments: Any, **settings: Any) -> Exported:
        """Export `make(*arguments)`; `settings` are those of `Settings`, the name and the size apart."""
        wanted = Settings(make.__name__, SIZE_HW, **settings)
        key = f"{make.__module__}.{make.__qualname__}{arguments} {wanted}"
        if key not in self._made:
            path = self._folder / f"{make.__name__}-{len(self._made)}.onnx"
            report = export_network(make(*arguments), path, wanted).parity
            path.chmod(READ_ONLY)
            self._made[key] = Exported(path, report)
            self._hashes[path] = sha256_of(path)
        return self._made[key]

    def check_unchanged(self) -> None:
        """Fail where a test wrote into a model of all: what ran after it has read something else."""
        changed = [path.name for path, before in self._hashes.items() if sha256_of(path) != before]
        assert not changed, f"a test changed {', '.join(changed)}; it should change a copy"
