"""Read where the time of an inference goes from ONNX Runtime's own profile, a trace of events as JSON."""

from __future__ import annotations

import itertools
import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.cores import usable_cores
from edgeseg.engines.backend import read_options
from edgeseg.engines.facts import CPU
from edgeseg.engines.node_times import (
    GEMM_SIZES,
    WARMUP,
    NodeTime,
    NodeTimes,
    best_gflops,
    gemm_model,
    medians,
    module_of,
    read_table,
)
from edgeseg.engines.onnxruntime.facts import FACTS
from edgeseg.engines.onnxruntime.open import LOG_ERRORS_ONLY, open
from edgeseg.engines.onnxruntime.options import EngineOptions
from edgeseg.errors import EngineError
from edgeseg.extras import require
from edgeseg.manifest import Manifest
from edgeseg.nodes.table import GraphNode, NodeTable
from edgeseg.nodes.work import COUNTED, UNKNOWN, flop_of
from edgeseg.reading import parse_json, read_text

MS_PER_US = 1e-3
NODE, SESSION = "Node", "Session"  # categories of events
RUN = "model_run"  # the event of a whole inference
KERNEL = "_kernel_time"  # ends the name of the event of a node's computation
PRECISIONS: Mapping[str, str] = {
    "float": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "double": "fp64",
    "uint8": "int8",
}
_ADDED = re.compile(  # to names, one after the other
    r"^fused |^InsertedPrecisionFreeCast_|(/\w+Fusion|/duplicated|\.fp16|_nchwc|_token_\d+|_quant|_d?q)$"
)
_OF_8_BITS = "QLinear"  # begins operators that compute with 8 bits, whatever their first input is
_Key = tuple[str, str]


class _Tensor(NamedTuple):
    """What ran through a node, by ONNX Runtime's name of its type."""

    kind: str
    shape: tuple[int, ...]


ON_GPU = "ONNX Runtime times a GPU's nodes by the processor that starts them, not by the GPU"


def profile_nodes(
    folder: Path,
    manifest: Manifest,
    images: Sequence[NDArray[Any]],
    *,
    device: str | None,
    threads: int | None,
    runs: int,
) -> NodeTimes:
    """Run an engine with ONNX Runtime's profiling; see `edgeseg.engines.node_times`."""
    turns = itertools.islice(itertools.cycle(images), WARMUP + runs)
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as scratch:
        with closing(
            open(folder, manifest, device=device, threads=threads, profile=Path(scratch))
        ) as backend:
            for image in turns:
                backend.infer(image)
            path = backend.end_profiling()
        events = parse_json(read_text(path, EngineError), EngineError, "ONNX Runtime's profile")
    nodes, run_ms = node_times(events, read_table(folder, manifest))
    cores = usable_cores()
    asked = threads or read_options(EngineOptions, folder, manifest).intra_op_threads or cores
    notes = () if (device or manifest.device) == CPU else (ON_GPU,)
    return NodeTimes(nodes, run_ms, min(asked, cores), notes)


def node_times(
    events: Sequence[Mapping[str, Any]], table: NodeTable, *, warmup: int = WARMUP
) -> tuple[tuple[NodeTime, ...], float]:
    """Read the events of a profile.

    Args:
        table: what is known of the graph's nodes.
        warmup: inferences at the beginning that are left out.

    Returns:
        The nodes in the order in which they ran, and the median of an inference in milliseconds.

    Raises:
        EngineError: if no inference is left.
    """
    whole = sorted((e for e in events if e["cat"] == SESSION and e["name"] == RUN), key=lambda e: e["ts"])
    whole = whole[warmup:]
    if not whole:
        raise EngineError("ONNX Runtime's profile tells of no inference; use another version of it")
    kernels = [e for e in events if e["cat"] == NODE and e["name"].endswith(KERNEL)]
    runs: list[dict[_Key, float]] = []
    arguments: dict[_Key, Mapping[str, Any]] = {}
    for inner in _within(whole, kernels):
        times: dict[_Key, float] = defaultdict(float)
        for kernel, own_us in _own_times(inner):
            key = kernel["name"], kernel["args"]["node_index"]  # a name may be empty
            times[key] += own_us * MS_PER_US
            arguments[key] = kernel["args"]
        runs.append(times)
    nodes = tuple(
        _node_time(key[0].removesuffix(KERNEL), arguments[key], time_ms, table)
        for key, time_ms in medians(runs).items()
    )
    return nodes, statistics.median(event["dur"] for event in whole) * MS_PER_US


def _within(
    whole: Sequence[Mapping[str, Any]], kernels: Sequence[Mapping[str, Any]]
) -> Iterator[list[Mapping[str, Any]]]:
    """Give the events of nodes of each inference, in the order of time."""
    ordered = sorted(kernels, key=lambda event: (event["ts"], -event["dur"]))
    for run in whole:
        yield [event for event in ordered if run["ts"] <= event["ts"] <= run["ts"] + run["dur"]]


def _own_times(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], float]]:
    """Give each event its time less that of events within it: the nodes of a loop's or a branch's body."""
    own = [float(event["dur"]) for event in events]
    around: dict[Any, list[int]] = defaultdict(list)  # by thread: the events that have begun and not ended
    for index, event in enumerate(events):
        open_ones = around[event["tid"]]
        while open_ones and event["ts"] >= events[open_ones[-1]]["ts"] + events[open_ones[-1]]["dur"]:
            open_ones.pop()
        if open_ones:
            own[open_ones[-1]] -= event["dur"]
        open_ones.append(index)
    return zip(events, (max(time, 0.0) for time in own), strict=True)


def _node_time(name: str, arguments: Mapping[str, Any], time_ms: float, table: NodeTable) -> NodeTime:
    operator = arguments["op_name"]
    inputs, outputs = (_tensors(arguments[f"{side}_type_shape"]) for side in ("input", "output"))
    node = _origin(name, table)
    if operator not in COUNTED:
        flop: int | None = None if operator in UNKNOWN else 0
        weight_bytes = int(arguments["parameter_size"])
    else:
        node = None if node is None else table.computing(node)
        flop = _flop(operator, inputs, outputs, node)
        weight_bytes = int(arguments["parameter_size"]) if node is None else node.weight_bytes
    return NodeTime(
        name=name,
        operator=operator,
        precision=_precision(operator, inputs, outputs),
        time_ms=time_ms,
        module=module_of([node] if node else []),
        flop=flop,
        moved_bytes=int(arguments["activation_size"]) + int(arguments["output_size"]) + weight_bytes,
    )


def _flop(
    operator: str, inputs: Sequence[_Tensor], outputs: Sequence[_Tensor], node: GraphNode | None
) -> int | None:
    """Count a node's arithmetic: as the graph knows it, or with the shapes of this run.

    Weights that were laid out anew are missing among the inputs of a run, and what follows them stands in
    their place: the shape of weights is from the graph, or not known.
    """
    if node is not None and node.flop:
        return node.flop
    weight = None if node is None else node.weight_shape
    data, output = (side[0].shape if side else None for side in (inputs, outputs))
    return flop_of(operator, data, weight, output)


def _tensors(described: Sequence[Mapping[str, Sequence[int]]]) -> list[_Tensor]:
    """Read types and shapes, each as in {"float": [1, 3, 240, 320]}."""
    return [_Tensor(kind, tuple(shape)) for tensor in described for kind, shape in tensor.items()]


def _origin(name: str, table: NodeTable) -> GraphNode | None:
    """Find the graph's node by what the optimiser has made of its name, or of that of its output."""
    while name not in table.by_name:
        if (shorter := _ADDED.sub("", name, count=1)) == name:
            return None
        name = shorter
    return table.by_name[name]


def _precision(operator: str, inputs: Sequence[_Tensor], outputs: Sequence[_Tensor]) -> str:
    """Tell what a node computed in by the type of what it read, or else gave."""
    tensors = (*outputs, *inputs) if operator.startswith(_OF_8_BITS) else (*inputs, *outputs)
    return next((PRECISIONS.get(kind, kind) for kind, _ in tensors), "")


def gemm_gflops(precision: str, *, device: str, threads: int) -> float | None:
    """Time large matrix products in ONNX Runtime on the processor; None of a precision that has no model."""
    if device != CPU:
        return None
    ort = require("onnxruntime", FACTS.extra)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = LOG_ERRORS_ONLY
    best = 0.0
    for size in GEMM_SIZES:
        try:
            model = gemm_model(precision, size)
        except FileNotFoundError:
            return None
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        (tensor,) = session.get_inputs()
        values = np.full((size, size), 0.5, np.float16 if "16" in tensor.type else np.float32)
        best = max(best, best_gflops(partial(session.run, None, {tensor.name: values}), size))
    return best
