"""Build an engine of a portable model on this machine, and write what it gives of a few pictures.

python -m tools.arm64.outputs PYTHON MODEL BACKEND TARGET.npz; PYTHON is what starts another such Python.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.runtime import Engine
from edgeseg.scenes.pictures import pictures

SEEDS = range(50, 54)


def main(python: str, model: str, backend: str, target: str) -> None:
    """Build, prove and run; `build_engine` raises where the engine does not compute what PyTorch computed."""
    sys.executable = python  # under emulation it names a file that this machine cannot start by itself
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
        path = Path(folder) / "engine"
        built = build_engine(Path(model), path, request=Request(backend, threads=1), passes=False)
        size = built.manifest.spec.input
        with Engine.open(path) as engine:
            arrays = {}
            for index, picture in enumerate(pictures(SEEDS, (size.height, size.width))):
                for name, value in engine.infer(picture[None]).items():
                    arrays[f"{index} {name}"] = value[0]
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
