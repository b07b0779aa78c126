"""Read where the time of an inference goes from TensorRT's profiler, which is told each layer's time."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines import cuda
from edgeseg.engines.node_times import (
    GEMM_SIZE_ON_GPU,
    GIGA,
    MS_PER_S,
    WARMUP,
    NodeTime,
    NodeTimes,
    flop_of_all,
    gemm_model,
    gflops,
    medians,
    module_of,
    read_table,
)
from edgeseg.engines.tensorrt.buffers import Stream
from edgeseg.engines.tensorrt.layer_information import EngineLayer, engine_layers
from edgeseg.engines.tensorrt.library import import_library, quiet_logger
from edgeseg.engines.tensorrt.open import CreateContext, Slot, deserialized, tensors_of
from edgeseg.errors import EngineError
from edgeseg.manifest import Manifest
from edgeseg.nodes.table import NodeTable

if TYPE_CHECKING:
    import tensorrt as trt

ON_GPU = 1  # threads: the processor only waits
GEMM_RUNS = 10
COPY_BYTES = 256 << 20  # above the caches of any GPU
COPIES = 10  # queued together, so that starting them takes no time
NO_GRAPH = "layers are timed without a CUDA graph, which an inference by itself is launched as"


def profile_nodes(
    folder: Path,
    manifest: Manifest,
    images: Sequence[NDArray[Any]],
    *,
    device: str | None,
    threads: int | None,
    runs: int,
) -> NodeTimes:
    """Run an engine with TensorRT's profiler; see `edgeseg.engines.node_times`."""
    engine, library, _, _ = deserialized(folder, manifest, device)
    return node_times(engine, library, images, runs, read_table(folder, manifest))


def node_times(
    engine: trt.ICudaEngine,
    library: Any,
    images: Sequence[NDArray[Any]],
    runs: int,
    table: NodeTable,
    *,
    create_context: CreateContext | None = None,
) -> NodeTimes:
    """Time the layers of an engine of TensorRT, or of TensorRT for RTX.

    Args:
        create_context: makes an execution context; by default the engine does.

    Raises:
        EngineError: if it does not run.
    """
    told, whole_ms = _told(
        engine, library, images, WARMUP + runs, create_context or engine.create_execution_context
    )
    inspector = engine.create_engine_inspector()
    information = inspector.get_engine_information(library.LayerInformationFormat.JSON)
    layers = {layer.name: layer for layer in engine_layers(information)}
    nodes = tuple(
        _node_time(name, layers.get(name), time_ms, table) for name, time_ms in medians(told[WARMUP:]).items()
    )
    return NodeTimes(nodes, statistics.median(whole_ms[WARMUP:]), ON_GPU, (NO_GRAPH,))


def gemm_gflops(precision: str, *, device: str, threads: int, backend: str = "tensorrt") -> float | None:
    """Time a large matrix product; None of a precision that has no model, or that the library refuses."""
    try:
        model = gemm_model(precision, GEMM_SIZE_ON_GPU)
    except FileNotFoundError:
        return None
    library = import_library(backend)
    engine = _built(library, model)
    if engine is None:
        return None
    half = precision == "fp16"
    values = np.full((GEMM_SIZE_ON_GPU, GEMM_SIZE_ON_GPU), 0.5, np.float16 if half else np.float32)
    told, _ = _told(engine, library, [values], WARMUP + GEMM_RUNS, engine.create_execution_context)
    best_ms = min(max(run.values()) for run in told[WARMUP:])  # the product is the longest of its layers
    return gflops(GEMM_SIZE_ON_GPU, best_ms / MS_PER_S)


def copy_gbs(device: str, *, size: int = COPY_BYTES) -> float:
    """Time a copy from the GPU's memory to itself; bytes read and bytes written together."""
    calls = cuda.runtime()
    stream = Stream()
    held: list[Any] = []
    try:
        held += [cuda.checked(calls.cudaMalloc(size)) for _ in range(2)]
        kind = calls.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        times_s = []
        for _ in range(WARMUP):
            started_s = time.perf_counter()
            for _ in range(COPIES):
                cuda.checked(calls.cudaMemcpyAsync(held[1], held[0], size, kind, stream.handle))
            stream.synchronize()
            times_s.append(time.perf_counter() - started_s)
    finally:
        for memory in held:
            calls.cudaFree(memory)
        stream.close()
    return 2 * COPIES * size / min(times_s) / GIGA


def _told(
    engine: trt.ICudaEngine,
    library: Any,
    images: Sequence[NDArray[Any]],
    runs: int,
    create_context: CreateContext,
) -> tuple[list[dict[str, float]], list[float]]:
    """Run an engine's own context under a profiler; returns each run's layers, and its whole, in ms."""
    context = create_context()
    if context is None:
        raise EngineError("TensorRT cannot make an execution context; the GPU's memory may be full")
    profiler = _profiler(library)
    context.profiler = profiler
    inputs, outputs = tensors_of(engine, library)
    (name,) = inputs
    slot = Slot(context, {**inputs, **outputs}, set(inputs))
    whole_ms = []
    try:
        for image in itertools.islice(itertools.cycle(images), runs):
            profiler.runs.append({})
            slot.buffers[name].host[...] = image
            started_s = time.perf_counter()
            slot.run_unrecorded()
            whole_ms.append(MS_PER_S * (time.perf_counter() - started_s))
    finally:
        slot.close()
    return profiler.runs, whole_ms


def _profiler(library: Any) -> Any:
    """Make what TensorRT tells the times of layers; `runs` has them by name."""

    class Profiler(library.IProfiler):  # type: ignore[misc]  # its base is known when the library is
        def __init__(self) -> None:
            library.IProfiler.__init__(self)
            self.runs: list[dict[str, float]] = []

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            times = self.runs[-1]
            times[layer_name] = times.get(layer_name, 0.0) + ms

    return Profiler()


def _node_time(name: str, layer: EngineLayer | None, time_ms: float, table: NodeTable) -> NodeTime:
    if layer is None:
        return NodeTime(name, "", "", time_ms, None, None, None)
    nodes = list(dict.fromkeys(table.by_name[node] for node in layer.nodes if node in table.by_name))
    data = layer.data_bytes
    return NodeTime(
        name=name,
        operator=layer.operator,
        precision=layer.precision,
        time_ms=time_ms,
        module=module_of(nodes),
        flop=flop_of_all(nodes) if layer.nodes else 0,  # what TensorRT put in moves data
        moved_bytes=None if data is None else data + sum(node.weight_bytes for node in nodes),
    )


def _built(library: Any, model: bytes) -> trt.ICudaEngine | None:
    """Build an engine of a small model; None where the library refuses it."""
    logger = quiet_logger(library)
    try:
        builder: trt.Builder = library.Builder(logger)
    except (RuntimeError, TypeError):  # as of the build: the constructor returned no object
        return None
    flag = getattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # the only kind in 11
    network: trt.INetworkDefinition = builder.create_network(0 if flag is None else 1 << int(flag))
    parser: trt.OnnxParser = library.OnnxParser(network, logger)
    if not parser.parse(model):
        return None
    plan: Any = builder.build_serialized_network(network, builder.create_builder_config())
    if plan is None:
        return None
    runtime: trt.Runtime = library.Runtime(logger)
    engine: trt.ICudaEngine | None = runtime.deserialize_cuda_engine(plan)
    return engine
