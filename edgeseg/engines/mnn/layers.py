"""Read where the time of an inference goes from MNN, which calls back before and after each node."""

from __future__ import annotations

import math
import pickle
import re
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.apart.process import check_installed
from edgeseg.engines.apart.serving import PROTOCOL, Answer
from edgeseg.engines.backend import read_options
from edgeseg.engines.command import command_of
from edgeseg.engines.mnn.facts import FACTS
from edgeseg.engines.mnn.open import WINOGRAD_LEVELS, WINOGRAD_MEMORY_LEVEL, session_config
from edgeseg.engines.mnn.options import EngineOptions
from edgeseg.engines.mnn.profiled import Key, Node, Order, Told
from edgeseg.engines.node_times import (
    GEMM_SIZES,
    MS_PER_S,
    WARMUP,
    NodeTime,
    NodeTimes,
    gemm_model,
    gflops,
    medians,
    module_of,
    read_table,
)
from edgeseg.errors import EngineError
from edgeseg.manifest import Manifest, open_file
from edgeseg.nodes.table import GraphNode, NodeTable

FLOAT_BYTES = 4  # whatever the graph says: edgeseg's MNN engines compute in float32
COMPUTES = ("Convolution", "ConvolutionDepthwise", "Deconvolution", "DeconvolutionDepthwise", "MatMul")
BATCH_PRODUCTS = ("BatchMatMul", "While")  # loops, in which MNN runs products of many matrices
GEMM_RUNS = WARMUP + 12
_ADDED = re.compile(r"(_raster_\d+|__before_tr|__after_tr|__\w+_tr|_raster)$")
DATA_DEPENDENT = "module api"  # in what MNN prints where sizes depend on the data


def profile_nodes(
    folder: Path,
    manifest: Manifest,
    images: Sequence[NDArray[Any]],
    *,
    device: str | None,
    threads: int | None,
    runs: int,
) -> NodeTimes:
    """Run an engine in a session of MNN that calls back; see `edgeseg.engines.node_times`.

    Raises:
        EngineError: also where sizes depend on the data, as detectors' do: such graphs MNN runs by another
            interface, which tells nothing.
    """
    check_installed(FACTS)
    options = read_options(EngineOptions, folder, manifest)
    config = session_config(options, threads)
    hints = {WINOGRAD_MEMORY_LEVEL: WINOGRAD_LEVELS[options.winograd]}
    with open_file(folder, manifest, options.model_file):  # compares it with its hash
        model = str((folder / options.model_file).resolve())
        told = _told(Order(model, config, hints, images, WARMUP + runs))
    table = read_table(folder, manifest)
    nodes = tuple(
        _node_time(key, told.nodes[key], time_ms, table)
        for key, time_ms in medians(told.runs[WARMUP:]).items()
    )
    return NodeTimes(nodes, statistics.median(told.whole_ms[WARMUP:]), config["numThread"])


def gemm_gflops(precision: str, *, device: str, threads: int) -> float | None:
    """Time large matrix products in MNN, in float32 alone."""
    if precision != "fp32":
        return None
    check_installed(FACTS)
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
        found = [_gemm_gflops(Path(folder), size, threads) for size in GEMM_SIZES]
    return max((rate for rate in found if rate is not None), default=None)


def _gemm_gflops(folder: Path, size: int, threads: int) -> float | None:
    source, target = folder / f"{size}.onnx", folder / f"{size}.mnn"
    source.write_bytes(gemm_model("fp32", size))
    command = [*command_of("edgeseg.engines.mnn.converter:main"), str(source), str(target)]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if not target.exists():
        return None
    config = {"backend": "CPU", "precision": "high", "numThread": threads}
    told = _told(Order(str(target), config, {}, [np.full((size, size), 0.5, np.float32)], GEMM_RUNS))
    return gflops(size, min(told.whole_ms[WARMUP:]) / MS_PER_S)


def _told(order: Order) -> Told:
    """Let MNN run in a process of its own, since it prints there, and may end it."""
    done = subprocess.run(
        command_of("edgeseg.engines.mnn.profiled:main"),
        input=pickle.dumps(order, PROTOCOL),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    try:
        answer: Answer = pickle.loads(done.stdout)
    except (EOFError, pickle.UnpicklingError) as error:
        raise EngineError("MNN's process ended while it was profiled; profile without layers") from error
    if answer.failure is not None:
        if DATA_DEPENDENT in answer.failure:
            raise EngineError(
                "MNN tells no times of single layers of a network whose sizes depend on the data, as a "
                "detector's do; profile without them, or with another backend"
            )
        raise EngineError(f"MNN failed: {answer.failure}")
    told: Told = answer.value
    return told


def _node_time(key: Key, node: Node, time_ms: float, table: NodeTable) -> NodeTime:
    name, operator = key
    origin = _origin(name, table)
    if origin is not None and operator in COMPUTES:
        origin = table.computing(origin)
    values = sum(map(math.prod, (*node.inputs, *node.outputs)))
    return NodeTime(
        name=name,
        operator=operator,
        precision="fp32",
        time_ms=time_ms,
        module=module_of([] if origin is None else [origin]),
        flop=_flop(operator, node, origin),
        moved_bytes=FLOAT_BYTES * values + (origin.weight_bytes if origin and operator in COMPUTES else 0),
    )


def _flop(operator: str, node: Node, origin: GraphNode | None) -> int:
    if operator not in COMPUTES:
        return (origin.flop or 0) if operator in BATCH_PRODUCTS and origin is not None else 0
    if origin is not None and origin.flop:
        return origin.flop
    return 2 * node.products


def _origin(name: str, table: NodeTable) -> GraphNode | None:
    """Find the graph's node by what the converter has made of the name of its output."""
    while name not in table.by_name:
        if (shorter := _ADDED.sub("", name)) == name:
            return None
        name = shorter
    return table.by_name[name]
