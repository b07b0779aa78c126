"""Time an engine from a batch in host memory to its outputs there; TensorRT's with CUDA graphs, and without.

python -m benchmarks.gpu_steps.engine_timing ENGINE
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu_steps.timing import timed
from edgeseg.engines.backend import open_backend
from edgeseg.engines.tensorrt.open import TensorRTBackend
from edgeseg.manifest import read_manifest
from edgeseg.scenes.pictures import picture


def main() -> None:
    """Print a line of JSON after each measurement."""
    time_engine(parser().parse_args().engine)


def parser() -> argparse.ArgumentParser:
    """Give the parser of the command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("engine", type=Path)
    return made


def time_engine(folder: Path, **limits: float) -> None:
    """Open, time and print; `limits` are those of `timed`."""
    manifest = read_manifest(folder)
    started = time.perf_counter()
    with closing(open_backend(folder, manifest)) as backend:
        print(json.dumps({"open s": time.perf_counter() - started}), flush=True)
        taken = manifest.spec.input
        image = np.stack([picture(seed, (taken.height, taken.width)) for seed in range(taken.batch)])
        print(
            json.dumps({"graph on": timed(lambda: backend.infer(image), taken.batch, **limits)}), flush=True
        )
        if isinstance(backend, TensorRTBackend):
            figures = timed(lambda: queued_anew(backend, image), taken.batch, **limits)
            print(json.dumps({"graph off": figures}), flush=True)


def queued_anew(backend: TensorRTBackend, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Do what `infer` does, its copies and kernels queued one by one instead of launched as one recording."""
    (name,) = backend.inputs
    with backend._slots.take() as slot:
        slot.buffers[name].host[...] = image
        slot._queue()
        slot._stream.synchronize()
        return {output: slot.buffers[output].host.copy() for output in backend.outputs}


if __name__ == "__main__":
    main()
