"""Read where the time of an inference goes from OpenVINO's performance counters and its runtime model."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.cores import usable_cores
from edgeseg.engines.backend import read_options
from edgeseg.engines.facts import CPU
from edgeseg.engines.node_times import (
    GEMM_SIZES,
    MS_PER_S,
    WARMUP,
    NodeTime,
    NodeTimes,
    best_gflops,
    flop_of_all,
    gemm_model,
    module_of,
    read_table,
)
from edgeseg.engines.openvino.facts import FACTS
from edgeseg.engines.openvino.open import imported, last_line
from edgeseg.engines.openvino.options import EngineOptions
from edgeseg.errors import EngineError
from edgeseg.extras import require
from edgeseg.manifest import Manifest
from edgeseg.nodes.table import GraphNode, NodeTable
from edgeseg.nodes.work import PRODUCTS, flop_of

PRECISIONS: Mapping[str, str] = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8"}
ITEM_BYTES: Mapping[str, int] = {
    **{"f32": 4, "i32": 4, "u32": 4, "f16": 2, "bf16": 2, "i16": 2, "u16": 2},
    **{"i8": 1, "u8": 1, "boolean": 1, "i64": 8, "u64": 8, "f64": 8},
}
HINTS: Mapping[str, tuple[str, str]] = {  # the model of a matrix product, and what its float is computed in
    "fp32": ("fp32", "f32"),
    "fp16": ("fp32", "f16"),
    "bf16": ("fp32", "bf16"),
    "int8": ("int8", "f32"),
}
COMPUTES = frozenset(("Convolution", "Deconvolution", "DeformableConvolution", "FullyConnected", "MatMul"))
"""Layers with convolutions and matrix products; what was taken apart leaves its name on other ones, too."""

RECURRENT = frozenset(("RNNCell", "RNNSeq"))
_ATTENTION = 2  # matrix products, from which on a layer of another type is one of attention
_ADDED = re.compile(  # to names of nodes that were taken apart, one after the other
    r"(/WithoutBiases|/Dequantization\w+|_original|(?<=\.q)_\d+)$"
)
MEANS = "OpenVINO keeps means of its counters: times are means over the runs, not medians"
DYNAMIC = "OpenVINO does not tell all sizes that depend on the data: some nodes have no GFLOP or bytes"


@dataclass(frozen=True)
class Operation:
    """What the runtime model says of a node: its type, what it was made from, and what runs through it.

    Attributes:
        origins: names of nodes of the graph.
        data, output: shapes of its first input and output in the latest inference; None if not known.
        moved_bytes: of inputs and outputs; None likewise.
    """

    operator: str
    origins: tuple[str, ...]
    precision: str
    data: tuple[int, ...] | None
    output: tuple[int, ...] | None
    moved_bytes: int | None


def profile_nodes(
    folder: Path,
    manifest: Manifest,
    images: Sequence[NDArray[Any]],
    *,
    device: str | None,
    threads: int | None,
    runs: int,
) -> NodeTimes:
    """Run an engine with OpenVINO's counters; see `edgeseg.engines.node_times`."""
    opened = imported(folder, manifest, device=device, threads=threads, profiled=True)
    request = opened.compiled.create_infer_request()
    turns = itertools.cycle(images)
    try:
        for image in itertools.islice(turns, WARMUP):
            request.infer({0: image})
        before = _mean_ms(request.get_profiling_info())
        started_s = time.perf_counter()
        for image in itertools.islice(turns, runs):
            request.infer({0: image})
        run_ms = MS_PER_S * (time.perf_counter() - started_s) / runs
        after = _mean_ms(request.get_profiling_info())
        operations = operations_of(opened.compiled.get_runtime_model())
    except (RuntimeError, TypeError, ValueError) as error:  # what its binding raises
        raise EngineError(f"OpenVINO failed: {last_line(error)}") from error
    table = read_table(folder, manifest)
    # OpenVINO says of what takes less than a microsecond, its unit, that it did not run
    quick = [name for name, one in operations.items() if one.operator in COMPUTES and name not in after]
    after |= dict.fromkeys(quick, 0.0)
    nodes = tuple(
        node_time(name, operations.get(name), time_of_runs(before.get(name, 0.0), mean_ms, runs), table)
        for name, mean_ms in after.items()
    )
    cores = usable_cores()
    asked = threads or read_options(EngineOptions, folder, manifest).threads or cores
    notes = (MEANS, DYNAMIC) if any(node.moved_bytes is None for node in nodes) else (MEANS,)
    return NodeTimes(nodes, run_ms, min(asked, cores), notes)


def time_of_runs(before: float, after: float, runs: int, *, warmup: int = WARMUP) -> float:
    """Give the mean of the last `runs` of `warmup + runs`, of the means before and after them."""
    return max(0.0, ((warmup + runs) * after - warmup * before) / runs)


def operations_of(runtime_model: Any) -> dict[str, Operation]:
    """Read the runtime model of a compiled one, by the nodes' names."""
    return {
        operation.get_friendly_name(): _operation(operation) for operation in runtime_model.get_ordered_ops()
    }


def _mean_ms(info: Sequence[Any]) -> dict[str, float]:
    """Give the mean of each node that ran, over all inferences; others were fused, or computed beforehand."""
    return {
        entry.node_name: MS_PER_S * entry.real_time.total_seconds()
        for entry in info
        if entry.status == type(entry).Status.EXECUTED
    }


def _operation(operation: Any) -> Operation:
    notes = operation.get_rt_info()
    sources = [port.get_source_output() for port in operation.inputs()]
    read = [_bytes(source.get_node().get_rt_info(), source, source.get_index()) for source in sources]
    written = [_bytes(notes, port, port.get_index()) for port in operation.outputs()]
    sizes = [size for size in (*read, *written) if size is not None]
    precision = _note(notes, "runtimePrecision")
    return Operation(
        operator=_note(notes, "layerType"),
        origins=tuple(filter(None, _note(notes, "originalLayersNames").split(","))),
        precision=PRECISIONS.get(precision, precision),
        data=_shape(sources[0]) if sources else None,
        output=_shape(operation.output(0)) if written else None,
        moved_bytes=sum(sizes) if len(sizes) == len(read) + len(written) else None,
    )


def _bytes(notes: Any, port: Any, index: int) -> int | None:
    shape = _shape(port)
    kinds = _note(notes, "outputPrecisions").split(",")
    kind = kinds[index] if index < len(kinds) else ""
    return None if shape is None or kind not in ITEM_BYTES else ITEM_BYTES[kind] * math.prod(shape)


def _shape(port: Any) -> tuple[int, ...] | None:
    shape = port.get_partial_shape()
    return None if shape.is_dynamic else tuple(map(int, shape.to_shape()))


def _note(notes: Any, name: str) -> str:
    """Read what the runtime model says of an operation, a string or an object that turns into one."""
    if name not in notes:
        return ""
    value = notes[name]
    return str(value.astype(str) if hasattr(value, "astype") else value)


def node_time(name: str, operation: Operation | None, time_ms: float, table: NodeTable) -> NodeTime:
    """Tell of one node what the runtime model and the graph know of it."""
    if operation is None:  # not in the runtime model, which lists what runs
        return NodeTime(name, "", "", time_ms, None, None, None)
    found = (_origin(name, table) for name in operation.origins)
    nodes = list(dict.fromkeys(node for node in found if node is not None))  # named twice, by its output too
    return NodeTime(
        name=name,
        operator=operation.operator,
        precision=operation.precision,
        time_ms=time_ms,
        module=module_of(nodes),
        flop=_flop(operation, nodes),
        moved_bytes=operation.moved_bytes,
    )


def _origin(name: str, table: NodeTable) -> GraphNode | None:
    """Find the graph's node by what OpenVINO has made of its name."""
    while name not in table.by_name:
        if (shorter := _ADDED.sub("", name)) == name:
            return None
        name = shorter
    return table.by_name[name]


def _flop(operation: Operation, nodes: Sequence[GraphNode]) -> int | None:
    """Add up the arithmetic of what was fused; sizes that depend on the data are those of this run."""
    products = [node for node in nodes if node.operator in PRODUCTS]
    if operation.operator not in COMPUTES | RECURRENT and len(products) < _ATTENTION:
        return 0
    sized = [
        replace(node, flop=flop_of(node.operator, operation.data, node.weight_shape, operation.output))
        if node.flop is None
        else node
        for node in nodes
    ]
    return flop_of_all(sized)


def gemm_gflops(precision: str, *, device: str, threads: int) -> float | None:
    """Time large matrix products in OpenVINO on the processor; None of a precision that it does not have."""
    if device != CPU or precision not in HINTS:
        return None
    openvino = require("openvino", FACTS.extra)
    name, hint = HINTS[precision]
    core = openvino.Core()
    properties = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    best = 0.0
    for size in GEMM_SIZES:
        compiled = core.compile_model(core.read_model(gemm_model(name, size)), "CPU", properties)
        request = compiled.create_infer_request()
        values = np.full((size, size), 0.5, np.float32)
        best = max(best, best_gflops(partial(request.infer, {0: values}, share_inputs=True), size))
    return best
