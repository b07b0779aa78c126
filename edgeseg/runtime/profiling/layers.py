"""Where the time of an inference goes: the nodes that its library ran, and the least that they could take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines import registry
from edgeseg.errors import UsageError
from edgeseg.manifest import read_manifest
from edgeseg.runtime.profiling.ceilings import Ceilings
from edgeseg.runtime.profiling.roofline import Bound

RUNS = 20  # of the whole engine under its profiler; a node's time is the median of them


@dataclass(frozen=True)
class LayerTime:
    """One node as the library ran it, which may stand for several nodes of the graph that it fused.

    Attributes:
        name: the library's.
        operator: its type, in the library's words, such as `Conv` or `FullyConnected`.
        module: of the PyTorch network, such as `backbone.layer1.0.conv1`; of several fused ones that which
            computes most; None where it is not known, as of what the library put in by itself.
        precision: what it computed in, such as `fp32`, `fp16`, `bf16` or `int8`; "" where it is not told.
        time_ms: median of an inference's time in it.
        share: of the sum of all nodes' times, 0 to 1.
        gflop: 10^9 multiplications and additions of its convolutions and matrix products, by the direct
            algorithm; 0 where it has none, None where its shapes are not known.
        mbytes: 10^6 bytes of its inputs, weights and outputs, each counted once; None as `gflop`.
        gflops: 10^9 operations a second that it reached.
        gbs: 10^9 bytes a second that it reached.
        roofline_ms: the least time that the ceilings allow; None without shapes or ceilings.
        bound: which ceiling that is.
        efficiency: `roofline_ms` of `time_ms`, 1 at the roofline; above 1 where data comes from the caches,
            or an algorithm (Winograd's) does with fewer operations than the direct one.
    """

    name: str
    operator: str
    module: str | None
    precision: str
    time_ms: float
    share: float
    gflop: float | None = None
    mbytes: float | None = None
    gflops: float | None = None
    gbs: float | None = None
    roofline_ms: float | None = None
    bound: Bound | None = None
    efficiency: float | None = None


@dataclass(frozen=True)
class LayerGroup:
    """Nodes of one operator type, or of one module of the PyTorch network, together.

    Attributes:
        name: the operator's or the module's; "" for nodes whose module is not known.
        nodes: how many.
        gflop, mbytes: sums over those nodes that have them.
        roofline_ms: likewise.
    """

    name: str
    nodes: int
    time_ms: float
    share: float
    gflop: float
    mbytes: float
    roofline_ms: float | None = None


@dataclass(frozen=True)
class LayerProfile:
    """Where the time of an inference goes, by the profiler of the engine's own library.

    Attributes:
        layers: in the order in which they ran.
        operators, modules: the same time by operator type, and by module; the slowest first.
        ceilings: what the machine can do; None where it was not measured.
        runs: inferences under the profiler.
        layers_ms: sum of the layers' times.
        profiled_ms: median of an inference under the profiler, from the outside.
        unprofiled_ms: median of an inference without it, in turn with those; what the profiler costs is the
            difference.
        mapped_share: share of `layers_ms` whose module is known, 0 to 1.
        gflop, mbytes: sums over layers.
        roofline_ms: the least time that the ceilings allow all layers that have shapes.
        efficiency: `roofline_ms` of those layers' time; None without ceilings.
        notes: what a reader should know, a sentence each.
    """

    backend: str
    device: str
    threads: int | None
    layers: tuple[LayerTime, ...]
    operators: tuple[LayerGroup, ...]
    modules: tuple[LayerGroup, ...]
    ceilings: Ceilings | None
    runs: int
    layers_ms: float
    profiled_ms: float
    unprofiled_ms: float
    mapped_share: float
    gflop: float
    mbytes: float
    roofline_ms: float | None
    efficiency: float | None
    notes: tuple[str, ...] = ()


def layer_profile(
    engine: str | PathLike[str],
    images: Sequence[NDArray[Any]],
    *,
    device: str | None = None,
    threads: int | None = None,
    runs: int = RUNS,
    ceilings: bool = True,
) -> LayerProfile:
    """Profile an engine's nodes, and measure what this machine can do at best.

    Args:
        engine: the folder of an engine.
        images: batches (N, H, W, C) as the engine takes them, at least one; used in turn.
        device, threads: as `Engine.open`.
        runs: inferences under the profiler, and as many without it.
        ceilings: measure them too, which takes about two seconds.

    Raises:
        EngineError: if there is no engine, or it does not open.
        UsageError: if its backend has no profiler of nodes.
    """
    manifest = read_manifest(Path(engine), check_files=True)
    raise UsageError(f"{registry.facts_of(manifest.backend).title} tells no times of single layers")
