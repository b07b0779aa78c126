"""Measure what the passes that `build` keeps make of networks: engines with them and without, in turn.

For each network and backend two engines are built, one of them of the graph as it was exported. Milliseconds
are medians of interleaved inferences; `x` is the time without over the time with passes. Builds remember what
they measured, so that the choice of a second run takes no time.

    python -m benchmarks.passes MODEL.onnx ... [--backend NAME ...] [--threads N] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from edgeseg.engines.backend import open_backend
from edgeseg.engines.building.build import Built
from edgeseg.engines.building.entry import build
from edgeseg.engines.tuning import SETTLE_S
from edgeseg.machine import this_machine
from edgeseg.scenes.pictures import picture

BACKENDS = ("onnxruntime", "openvino", "mnn")
COLUMNS = f"{'network':<28} {'backend':<12} {'without':>8} {'with':>8} {'x':>6}   places changed"


def medians_ms(folders: dict[str, Path], built: dict[str, Built], repeats: int) -> dict[str, float]:
    """Time inferences of engines in turn."""
    samples: dict[str, list[float]] = {name: [] for name in folders}
    with ExitStack() as opened:
        engines = {
            name: opened.enter_context(closing(open_backend(folder, built[name].manifest)))
            for name, folder in folders.items()
        }
        size = next(iter(built.values())).manifest.spec.input
        image = np.stack([picture(0, (size.height, size.width))] * size.batch)
        for engine in engines.values():
            engine.infer(image)
        for turn in range(repeats):
            for name in list(engines)[:: 1 if turn % 2 else -1]:
                time.sleep(SETTLE_S)
                start = time.perf_counter()
                engines[name].infer(image)
                samples[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in samples.items()}


def line(model: Path, backend: str, threads: int | None, repeats: int) -> str:
    """Build both engines of one network in one backend, and time them."""
    with tempfile.TemporaryDirectory() as folder:
        folders = {name: Path(folder) / name for name in ("without", "with")}
        built = {
            name: build(model, path, backend=backend, threads=threads, passes=name == "with")
            for name, path in folders.items()
        }
        passes = built["with"].manifest.passes
        if not passes:
            return f"{model.stem:<28} {backend:<12} {'':>8} {'':>8} {1:6.2f}   none is faster"
        ms = medians_ms(folders, built, repeats)
    places = ", ".join(f"{title}: {len(one.places)}" for title, one in passes.items())
    times = f"{ms['without']:8.1f} {ms['with']:8.1f} {ms['without'] / ms['with']:6.2f}"
    return f"{model.stem:<28} {backend:<12} {times}   {places}"


def main() -> None:
    """Print one line for each network and backend."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path, help="portable models")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="default: all")
    parser.add_argument("--threads", type=int, help="default: what a build measures to be fastest")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    print(this_machine())
    print(COLUMNS)
    for model in arguments.models:
        for backend in arguments.backend or BACKENDS:
            print(line(model, backend, arguments.threads, arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
