"""Read where the time of an inference goes from ncnn, asked for the blob of one layer after another."""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.apart.process import Process, check_installed
from edgeseg.engines.backend import read_options
from edgeseg.engines.ncnn.child import INPUT_BLOB, Load
from edgeseg.engines.ncnn.facts import FACTS
from edgeseg.engines.ncnn.network import INPUT, Layer, Weights, parameters_of, write_weights
from edgeseg.engines.ncnn.open import load_of
from edgeseg.engines.ncnn.options import EngineOptions
from edgeseg.engines.ncnn.profiled import Told
from edgeseg.engines.node_times import (
    GEMM_SIZES,
    MS_PER_S,
    WARMUP,
    NodeTime,
    NodeTimes,
    gflops,
    medians,
    module_of,
    read_table,
)
from edgeseg.errors import EngineError
from edgeseg.manifest import Manifest, open_file
from edgeseg.nodes.table import NodeTable

GEMM_RUNS = WARMUP + 12
GEMM_WIDTH = 32  # of an image with as many pixels as a matrix has columns


def profile_nodes(
    folder: Path,
    manifest: Manifest,
    images: Sequence[NDArray[Any]],
    *,
    device: str | None,
    threads: int | None,
    runs: int,
) -> NodeTimes:
    """Run an engine layer by layer; see `edgeseg.engines.node_times`. Of a batch the first image is run."""
    check_installed(FACTS)
    options = read_options(EngineOptions, folder, manifest)
    load = load_of(folder, manifest, options, threads)
    with (  # compares them with their hashes
        open_file(folder, manifest, options.model_file),
        open_file(folder, manifest, options.weights_file),
    ):
        told, times, whole_ms = _timed(load, images, WARMUP + runs)
    table = read_table(folder, manifest)
    kinds = dict(zip(told.names, told.kinds, strict=True))
    nodes = tuple(_node_time(name, kinds[name], time_ms, table) for name, time_ms in medians(times).items())
    return NodeTimes(nodes, statistics.median(whole_ms), load.threads)


def gemm_gflops(precision: str, *, device: str, threads: int) -> float | None:
    """Time large matrix products in ncnn, as convolutions of one pixel, in float32 alone."""
    if precision != "fp32":
        return None
    check_installed(FACTS)
    return max(_gemm_gflops(size, threads) for size in GEMM_SIZES)


def _gemm_gflops(size: int, threads: int) -> float:
    weights = np.full((size, size), 0.5, np.float32)
    parameters = {0: size, 1: 1, 6: weights.size}
    layers = [
        Layer(INPUT, INPUT_BLOB, (), (INPUT_BLOB,)),
        Layer("Convolution", "gemm", (INPUT_BLOB,), ("gemm",), parameters, (Weights(weights, tagged=True),)),
    ]
    image = np.full((1, size // GEMM_WIDTH, GEMM_WIDTH, size), 0.5, np.float32)
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as scratch:
        model, values = Path(scratch) / EngineOptions.model_file, Path(scratch) / EngineOptions.weights_file
        model.write_text(parameters_of(layers))
        with values.open("wb") as file:
            write_weights(layers, file)
        _, _, whole_ms = _timed(Load(str(model), str(values), [], [], threads), [image], GEMM_RUNS)
    return gflops(size, min(whole_ms) / MS_PER_S)


def _timed(
    load: Load, images: Sequence[NDArray[Any]], runs: int
) -> tuple[Told, list[dict[str, float]], list[float]]:
    """Run images in turn; returns the layers, and of runs that count the milliseconds of each and all."""
    try:
        with closing(Process[Told](FACTS.title, "edgeseg.engines.ncnn.profiled:serve", load)) as process:
            turns = itertools.islice(itertools.cycle(images), runs)
            found = [process.infer(np.ascontiguousarray(image)) for image in turns][WARMUP:]
            names = process.loaded.names
            times = [dict(zip(names, one.tolist(), strict=True)) for one, _ in found]
            return process.loaded, times, [float(whole[0]) for _, whole in found]
    except EngineError as error:
        raise EngineError(f"ncnn failed: {error}") from error


def _node_time(name: str, kind: str, time_ms: float, table: NodeTable) -> NodeTime:
    origin = table.by_name.get(name)
    moved = None if origin is None or origin.data_bytes is None else origin.data_bytes + origin.weight_bytes
    return NodeTime(
        name=name,
        operator=kind,
        precision="fp32",
        time_ms=time_ms,
        module=module_of([] if origin is None else [origin]),
        flop=0 if origin is None else origin.flop,
        moved_bytes=moved,
    )
