"""Turn networks and settings into portable models, each once for all tests of a run, in whichever process."""

from __future__ import annotations

import fcntl
import hashlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.export.exporter import Settings, export_network
from edgeseg.manifest import sha256_of
from edgeseg.models.network import Network
from edgeseg.proof.report import ParityReport
from tests.export.small_networks import SIZE_HW

READ_ONLY = 0o444
KEY_LENGTH = 16  # hexadecimal digits of a name


@dataclass(frozen=True)
class Exported:
    """A portable model that other tests read, too: to change it, save what `onnx.load` gives elsewhere."""

    path: Path
    report: ParityReport
    sha256: str


class ExportedModels:
    """Export what is asked for the first time, and give the same file every time after.

    Args:
        folder: to write into, that lasts as long as the tests, and that other processes of them may share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Exported] = {}

    def __call__(self, make: Callable[..., Network], *arguments: Any, **settings: Any) -> Exported:
        """Export `make(*arguments)`; `settings` are those of `Settings`, the name and the size apart."""
        wanted = Settings(make.__name__, SIZE_HW, **settings)
        key = f"{make.__module__}.{make.__qualname__}{arguments} {wanted}"
        if key not in self._made:
            digest = hashlib.sha256(key.encode()).hexdigest()[:KEY_LENGTH]
            path = self._folder / f"{make.__name__}-{digest}.onnx"
            record = path.with_suffix(".pickle")
            with _alone(path.with_suffix(".lock")):
                if not record.exists():
                    report = export_network(make(*arguments), path, wanted).parity
                    path.chmod(READ_ONLY)
                    record.write_bytes(pickle.dumps(Exported(path, report, sha256_of(path))))
            self._made[key] = pickle.loads(record.read_bytes())
        return self._made[key]

    def check_unchanged(self) -> None:
        """Fail where a test wrote into a model of all: what ran after it has read something else."""
        changed = [made.path.name for made in self._made.values() if sha256_of(made.path) != made.sha256]
        assert not changed, f"a test changed {', '.join(changed)}; it should change a copy"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time do what follows."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
