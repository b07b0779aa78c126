"""Build a serialized engine of TensorRT 10 or 11, on the GPU that runs it.

Networks are strongly typed: the precision is in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.engines.backend import written
from edgeseg.engines.job import BuildJob
from edgeseg.engines.preflight import origin_of
from edgeseg.engines.registry import facts_of
from edgeseg.engines.tensorrt.facts import GPU
from edgeseg.engines.tensorrt.inspector import precisions_of
from edgeseg.engines.tensorrt.library import import_library, quiet_logger
from edgeseg.engines.tensorrt.options import BuildOptions, EngineOptions, SharedOptions
from edgeseg.engines.tuning import Measured
from edgeseg.errors import EngineError, NoDeviceError, UsageError
from edgeseg.files import write_whole
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.view import Layer
from edgeseg.manifest import Manifest
from edgeseg.reading import read_bytes, reading

if TYPE_CHECKING:
    import tensorrt as trt

ENGINE_FILE = EngineOptions.engine_file
FP32_ON_DLA = (
    "a DLA computes in float16 and int8, and TensorRT would run fp32 on the GPU without a word; "
    "build with --precision fp16 (edgeseg inspect --target dla says what runs where)"
)

Configure = Callable[[Any, "trt.IBuilderConfig"], object]
"""Sets what only one of the two libraries has: takes the library, and the configuration."""


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Write the serialized engine; see `FillEngine`. Nothing is measured: the library chooses its kernels.

    Raises:
        UsageError: if fp32 is asked of a DLA.
    """
    options = job.request.options_as(BuildOptions)
    if options.dla_core is not None and job.request.precision == "fp32":
        raise UsageError(FP32_ON_DLA)
    manifest, config = serialized(job, options, partial(_configure, options))
    if options.timing_cache is not None:
        known: Any = config.get_timing_cache().serialize()
        write_whole(options.timing_cache, bytes(known), EngineError)
    return manifest, []


def serialized(
    job: BuildJob, options: SharedOptions, configure: Configure
) -> tuple[Manifest, trt.IBuilderConfig]:
    """Build an engine of TensorRT, or of TensorRT for RTX, and write its file.

    Raises:
        EngineError: if the library refuses the graph.
        NoDeviceError: if it does not start without a GPU.
    """
    backend = job.request.backend
    title = facts_of(backend).title
    library = import_library(backend)
    logger = quiet_logger(library)
    builder = _builder(library, logger, title)
    network = _parse(library, builder, logger, job.model, title)
    config = _configured(library, builder, options)
    configure(library, config)
    if job.spec.graph.float32_modules:
        config.clear_flag(library.BuilderFlag.TF32)  # it has the range of float32, and 10 bits of its 23
    plan: Any = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{title} cannot build {job.model.name}: {logger.last_error()}")
    (job.staging / ENGINE_FILE).write_bytes(bytes(plan))
    manifest = Manifest(
        backend=backend,
        backend_version=library.__version__,
        precision=job.request.precision,
        device=GPU,
        spec=job.spec,
        model_sha256=job.model_sha256,
        files={ENGINE_FILE: ""},
        options=written(EngineOptions, engine_file=ENGINE_FILE, contexts=options.contexts),
        built_on={backend: library.__version__},  # opened on a GPU, the engine tells more
    )
    return manifest, config


def layer_precisions(folder: Path, manifest: Manifest, layers: Sequence[Layer]) -> dict[str, str]:
    """Ask the finished engine in which precision each layer computes; empty where no GPU can open it."""
    library = import_library(manifest.backend)
    try:
        runtime: trt.Runtime = library.Runtime(quiet_logger(library))
    except (RuntimeError, TypeError):  # the binding's constructor returned no object
        return {}
    plan = (folder / manifest.options["engine_file"]).read_bytes()
    engine: trt.ICudaEngine | None = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        return {}
    inspector = engine.create_engine_inspector()
    return precisions_of(inspector.get_engine_information(library.LayerInformationFormat.JSON), layers)


def _builder(library: Any, logger: Any, title: str) -> trt.Builder:
    try:
        builder: trt.Builder = library.Builder(logger)
    except (RuntimeError, TypeError) as error:  # the binding's constructor returned no object
        raise NoDeviceError(
            f"{title} does not start here ({logger.last_error()}); it builds on the GPU "
            "that runs the engine, tensorrt_rtx builds anywhere"
        ) from error
    return builder


def _parse(
    library: Any, builder: trt.Builder, logger: Any, model: PortableModel, title: str
) -> trt.INetworkDefinition:
    flag = getattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)  # the only kind in 11
    network: trt.INetworkDefinition = builder.create_network(0 if flag is None else 1 << int(flag))
    parser: trt.OnnxParser = library.OnnxParser(network, logger)
    if not parser.parse(model.to_bytes()):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        origins = {node.name or "": origin_of(node) for node in model.model.graph}
        raise EngineError(f"{title} refuses {'; '.join(_parser_error(error, origins) for error in errors)}")
    return network


def _parser_error(error: trt.ParserError, origins: dict[str, str]) -> str:
    """Name the node of a parser's error, its PyTorch line and what the parser says of it."""
    name = error.node_name()
    place = f" ({origins[name]})" if origins.get(name) else ""
    return f"{error.node_operator()} {name}{place}: {error.desc().splitlines()[0]}"


def _configured(library: Any, builder: trt.Builder, options: SharedOptions) -> trt.IBuilderConfig:
    config: trt.IBuilderConfig = builder.create_builder_config()
    config.profiling_verbosity = library.ProfilingVerbosity.DETAILED
    if options.workspace_mib is not None:
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    return config


def _configure(options: BuildOptions, library: Any, config: trt.IBuilderConfig) -> None:
    if options.version_compatible:
        config.set_flag(library.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware_compatible:
        config.hardware_compatibility_level = library.HardwareCompatibilityLevel.AMPERE_PLUS
    if options.dla_core is not None:
        config.default_device_type = library.DeviceType.DLA
        config.DLA_core = options.dla_core
        config.set_flag(library.BuilderFlag.GPU_FALLBACK)
    if options.timing_cache is not None:
        known = _known_timings(options.timing_cache)
        config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False)


def _known_timings(path: Path) -> bytes:
    if not path.exists():
        return b""
    with reading(path, EngineError, what="a timing cache", fix="choose another path"):
        return read_bytes(path)
