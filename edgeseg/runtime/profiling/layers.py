"""Where the time of an inference goes: the nodes that its library ran, and the least that they could take."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.backend import Backend, open_backend
from edgeseg.engines.node_times import GIGA, MS_PER_S, WARMUP, NodeTime, profile_nodes, read_table
from edgeseg.errors import UsageError
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.nodes.table import NODES_NAME
from edgeseg.nodes.work import CONVOLUTIONS
from edgeseg.runtime.profiling.ceilings import Ceilings, measure_ceilings
from edgeseg.runtime.profiling.roofline import Bound, least_time

MEGA = 1e6
LARGE_SHARE = 0.05  # of the time, from which on a reader is told that layers without a roofline took it
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
        time_ms: median over runs of the time in it (OpenVINO keeps a mean).
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
        profiled_ms: median (of OpenVINO the mean) of an inference under the profiler, from the outside.
        unprofiled_ms: median of an inference without it, after those; the difference is what the profiler
            costs.
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

    @property
    def roofline_share(self) -> float:
        """Give the share of the time, 0 to 1, of those layers that `roofline_ms` and `efficiency` are of."""
        return sum(layer.share for layer in self.layers if layer.roofline_ms is not None)

    @property
    def roofline_is_of(self) -> str:
        """Say in words which layers those are."""
        share = self.roofline_share
        return "all layers" if 1 - share < LARGE_SHARE else f"layers of {100 * share:.0f} % of the time"


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
        EngineError: if there is no engine, it does not open, or its library does not tell of its nodes.
        UsageError: if its backend has no profiler of nodes, or there are no images.
    """
    if not images:
        raise UsageError("a profile of layers needs at least one batch of images")
    folder = Path(engine)
    manifest = read_manifest(folder, check_files=True)
    told = profile_nodes(folder, manifest, images, device=device, threads=threads, runs=runs)
    with closing(open_backend(folder, manifest, device=device, threads=threads)) as backend:
        unprofiled_ms = _median_ms(backend, images, runs)
    device = device or manifest.device
    found = None
    if ceilings:
        precisions = {node.precision for node in told.nodes if node.flop}
        found = measure_ceilings(manifest.backend, precisions, device=device, threads=told.threads)
    layers_ms = sum(node.time_ms for node in told.nodes)
    layers = tuple(_layer(node, layers_ms, found) for node in told.nodes)
    bound_ms = [layer.roofline_ms for layer in layers if layer.roofline_ms is not None]
    timed_ms = sum(layer.time_ms for layer in layers if layer.roofline_ms is not None)
    return LayerProfile(
        backend=manifest.backend,
        device=device,
        threads=told.threads,
        layers=layers,
        operators=_grouped(layers, lambda layer: layer.operator),
        modules=_grouped(layers, lambda layer: layer.module or ""),
        ceilings=found,
        runs=runs,
        layers_ms=layers_ms,
        profiled_ms=told.run_ms,
        unprofiled_ms=unprofiled_ms,
        mapped_share=sum(layer.share for layer in layers if layer.module is not None),
        gflop=sum(layer.gflop or 0.0 for layer in layers),
        mbytes=sum(layer.mbytes or 0.0 for layer in layers),
        roofline_ms=sum(bound_ms) if found else None,
        efficiency=sum(bound_ms) / timed_ms if found and timed_ms else None,
        notes=(*told.notes, *_notes(folder, manifest, layers, found, ceilings=ceilings)),
    )


def _median_ms(backend: Backend, images: Sequence[NDArray[Any]], runs: int) -> float:
    """Time inferences without a profiler; returns their median."""
    times_s = []
    for image in itertools.islice(itertools.cycle(images), WARMUP + runs):
        started_s = time.perf_counter()
        backend.infer(image)
        times_s.append(time.perf_counter() - started_s)
    return MS_PER_S * statistics.median(times_s[WARMUP:])


def _layer(node: NodeTime, layers_ms: float, ceilings: Ceilings | None) -> LayerTime:
    seconds = node.time_ms / MS_PER_S
    gflop = None if node.flop is None else node.flop / GIGA
    mbytes = None if node.moved_bytes is None else node.moved_bytes / MEGA
    least = None
    if ceilings is not None and gflop is not None and mbytes is not None:
        least = least_time(gflop, mbytes, node.precision, ceilings)
    return LayerTime(
        name=node.name,
        operator=node.operator,
        module=node.module,
        precision=node.precision,
        time_ms=node.time_ms,
        share=node.time_ms / layers_ms if layers_ms else 0.0,
        gflop=gflop,
        mbytes=mbytes,
        gflops=None if gflop is None or not seconds else gflop / seconds,
        gbs=None if mbytes is None or not seconds else mbytes * MEGA / GIGA / seconds,
        roofline_ms=None if least is None else least.time_ms,
        bound=None if least is None else least.bound,
        efficiency=None if least is None or not node.time_ms else least.time_ms / node.time_ms,
    )


def _grouped(layers: Sequence[LayerTime], name_of: Callable[[LayerTime], str]) -> tuple[LayerGroup, ...]:
    """Put layers of one name together, the slowest first."""
    members: dict[str, list[LayerTime]] = defaultdict(list)
    for layer in layers:
        members[name_of(layer)].append(layer)
    groups = [_group(name, own) for name, own in members.items()]
    return tuple(sorted(groups, key=lambda group: -group.time_ms))


def _group(name: str, layers: Sequence[LayerTime]) -> LayerGroup:
    least = [layer.roofline_ms for layer in layers if layer.roofline_ms is not None]
    return LayerGroup(
        name=name,
        nodes=len(layers),
        time_ms=sum(layer.time_ms for layer in layers),
        share=sum(layer.share for layer in layers),
        gflop=sum(layer.gflop or 0.0 for layer in layers),
        mbytes=sum(layer.mbytes or 0.0 for layer in layers),
        roofline_ms=sum(least) if least else None,
    )


def _notes(
    folder: Path, manifest: Manifest, layers: Sequence[LayerTime], found: Ceilings | None, *, ceilings: bool
) -> Iterator[str]:
    """Say what is missing, and why."""
    if NODES_NAME not in manifest.files:
        yield f"{folder} does not say which modules its nodes are from; build it again"
    nodes = read_table(folder, manifest).nodes
    if without := sum(node.operator in CONVOLUTIONS and node.weight_shape is None for node in nodes):
        yield (
            f"{folder} does not say how large the weights of {without} of its convolutions are, as int8 and "
            "fp16 engines once did not: modules and GFLOP of layers may be missing; build it again"
        )
    unknown = sum(layer.share for layer in layers if layer.gflop is None or layer.mbytes is None)
    if unknown >= LARGE_SHARE:
        yield (
            f"of layers that took {100 * unknown:.0f} % of the time {manifest.backend} does not tell all "
            "sizes: they have no GFLOP or no bytes, and are in no sum of them and in no roofline"
        )
    if ceilings and found is None:
        yield f"what {manifest.device} can do at best is not measured in {manifest.backend}"
    if found is not None:
        computed = {layer.precision for layer in layers if layer.gflop}
        for precision in sorted(computed - set(found.gemm_gflops)):
            yield f"no matrix product of {manifest.backend} in {precision or 'this precision'} was measured"
