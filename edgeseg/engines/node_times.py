"""Time the nodes of an engine by the profiler of its own library; all backends that have one answer alike.

A backend's `layers` module holds
    profile_nodes(folder, manifest, images, *, device, threads, runs) -> NodeTimes
    gemm_gflops(precision, *, device, threads) -> float | None
and, where it runs elsewhere than on the processor,
    copy_gbs(device) -> float | None
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines import registry
from edgeseg.errors import EngineError, SpecError, UsageError
from edgeseg.manifest import Manifest, read_file
from edgeseg.nodes.table import NODES_NAME, GraphNode, NodeTable
from edgeseg.reading import parse_json

WARMUP = 2  # inferences under the profiler that are not counted: they take memory, and lay out weights
MS_PER_S = 1000.0
GIGA = 1e9
GEMM_SIZES = (512, 1024)  # rows and columns: one core is fastest with what its cache holds, several with more
GEMM_SIZE_ON_GPU = 4096  # what fills a large GPU for a millisecond
GEMM_S = 0.25  # for timing the products of one size
GEMM_CALLS = 3  # at least
CONVERSIONS = frozenset(("Cast", "Convert"))  # what is rounded to 8 bits has operators of its own


@dataclass(frozen=True)
class NodeTime:
    """A node as the library ran it.

    Attributes:
        name, operator: the library's words.
        precision: what it computed in, in the words of `Precision` where they fit; `uint8` of what
            moves pixels and labels.
        time_ms: median over runs of the time that was spent in it.
        module: of the PyTorch network; None where it is not known.
        flop: multiplications and additions; None where its shapes are not known.
        moved_bytes: of inputs, weights and outputs, each once; None likewise.
    """

    name: str
    operator: str
    precision: str
    time_ms: float
    module: str | None
    flop: int | None
    moved_bytes: int | None


@dataclass(frozen=True)
class NodeTimes:
    """What a library's profiler tells of some inferences.

    Attributes:
        nodes: in the order in which they ran.
        run_ms: median of a whole inference under the profiler, as seen from outside of the library.
        threads: that an inference used.
        notes: what a reader should know, a sentence each.
    """

    nodes: tuple[NodeTime, ...]
    run_ms: float
    threads: int
    notes: tuple[str, ...] = ()


def profile_nodes(
    folder: Path,
    manifest: Manifest,
    images: Sequence[NDArray[Any]],
    *,
    device: str | None = None,
    threads: int | None = None,
    runs: int,
) -> NodeTimes:
    """Run an engine under its library's profiler.

    Args:
        images: batches (N, H, W, C) as the engine takes them, used in turn.
        device, threads: as `open_backend`.
        runs: inferences that are counted.

    Raises:
        EngineError: as `open_backend`, or if the library does not tell of this engine.
        UsageError: if the backend has no such profiler.
    """
    if not registry.has_part(manifest.backend, "layers"):
        title = registry.facts_of(manifest.backend).title
        raise UsageError(
            f"{title} tells no times of single layers; leave --layers out, or build for another backend"
        )
    measured: NodeTimes = registry.part_of(manifest.backend, "layers").profile_nodes(
        folder, manifest, images, device=device, threads=threads, runs=runs
    )
    return dataclasses.replace(measured, nodes=with_pixels(measured.nodes))


def with_pixels(nodes: Sequence[NodeTime]) -> tuple[NodeTime, ...]:
    """Say `uint8` where 8 bits are pixels or labels: of conversions, of all if nothing computes in int8."""
    computes = any(node.precision == "int8" and node.flop != 0 for node in nodes)
    return tuple(
        dataclasses.replace(node, precision="uint8")
        if node.precision == "int8" and (node.operator in CONVERSIONS or not computes)
        else node
        for node in nodes
    )


def read_table(folder: Path, manifest: Manifest) -> NodeTable:
    """Read what an engine says of its nodes; nothing of one that was built before engines did.

    Raises:
        EngineError: if it is damaged.
    """
    if NODES_NAME not in manifest.files:
        return NodeTable()
    try:
        parsed = parse_json(read_file(folder, manifest, NODES_NAME).decode(), EngineError, NODES_NAME)
        return NodeTable.from_json_value(parsed)
    except (ValueError, SpecError) as error:
        raise EngineError(
            f"{folder / NODES_NAME} does not say what nodes are ({error}); build the engine again"
        ) from error


def module_of(nodes: Iterable[GraphNode]) -> str | None:
    """Name the module of several nodes that were fused: that of the one which computes most."""
    named = [node for node in nodes if node.module]
    return max(named, key=lambda node: node.flop or 0).module if named else None


def flop_of_all(nodes: Sequence[GraphNode]) -> int | None:
    """Add up the arithmetic of nodes that were fused; None where that of one is not known."""
    amounts = [node.flop for node in nodes]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if nodes and len(known) == len(amounts) else None


def medians(runs: Sequence[Mapping[Any, float]]) -> dict[Any, float]:
    """Give the median over runs of each node's time, in the order of the first; a run without it has 0."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: statistics.median(run.get(name, 0.0) for run in runs) for name in names}


def gemm_model(precision: str, size: int) -> bytes:
    """Give the ONNX file of a matrix product in a precision; `tools.gemm_models` made it.

    Raises:
        FileNotFoundError: if there is none of that precision and size.
    """
    return (files("edgeseg.engines") / "gemm" / f"{precision}-{size}.onnx").read_bytes()


def best_gflops(multiply: Callable[[], object], size: int) -> float:
    """Time a product of two square matrices, and give the best of several as 10^9 operations a second."""
    multiply()  # lays out the weights
    best_s = float("inf")
    calls, started_s = 0, time.perf_counter()
    while calls < GEMM_CALLS or time.perf_counter() - started_s < GEMM_S:
        before_s = time.perf_counter()
        multiply()
        best_s = min(best_s, time.perf_counter() - before_s)
        calls += 1
    return gflops(size, best_s)


def gflops(size: int, seconds: float) -> float:
    """Give the rate of a product of two square matrices, in 10^9 operations a second."""
    return 2 * size**3 / seconds / GIGA
