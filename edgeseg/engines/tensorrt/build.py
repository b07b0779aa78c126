"""Turn a portable model into a serialized engine of TensorRT 10 or 11, or of TensorRT for RTX.

Both libraries have one API under two names. Networks are strongly typed: the precision is in the graph.
TensorRT builds on the GPU that runs the engine; TensorRT for RTX builds anywhere, for the compute
capabilities that are asked for, and finishes on the GPU when the engine is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.bundle import Manifest
from edgeseg.engines.job import BuildJob, TensorRTOptions
from edgeseg.engines.registry import facts_of
from edgeseg.engines.tensorrt.inspector import precisions_of
from edgeseg.engines.tensorrt.library import import_library, quiet_logger
from edgeseg.errors import EngineError, NoDeviceError, UsageError
from edgeseg.export.engines.tuning import Measured
from edgeseg.export.preflight import origin_of
from edgeseg.files import write_whole
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.view import Layer
from edgeseg.reading import read_bytes, reading

if TYPE_CHECKING:
    import tensorrt as trt

ENGINE_FILE = "engine.plan"
GPU = "cuda"


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Write the serialized engine; see `FillEngine`. Nothing is measured: the library chooses its kernels."""
    backend: str = "tensorrt_rtx" if job.request.backend == "tensorrt_rtx" else "tensorrt"
    options = job.request.tensorrt
    _check_options(backend, options)
    library = import_library(backend)
    logger = quiet_logger(library)
    builder = _builder(library, logger, backend)
    network = _parse(library, builder, logger, job.model, facts_of(backend).title)
    config = _configure(library, builder, options)
    if job.spec.graph.crf_stride is not None:
        config.clear_flag(library.BuilderFlag.TF32)  # 10 bits for the CRF's squared distances
    plan: Any = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{facts_of(backend).title} cannot build {job.model.name}: {logger.last_error()}")
    (job.staging / ENGINE_FILE).write_bytes(bytes(plan))
    _keep_timings(config, options)
    manifest = Manifest(
        backend=backend,
        backend_version=library.__version__,
        precision=job.request.precision,
        device=GPU,
        spec=job.spec,
        model_sha256=job.model_sha256,
        files={ENGINE_FILE: ""},
        options={"engine_file": ENGINE_FILE, "contexts": options.contexts},
        built_on=_built_on(library, backend, options),
    )
    return manifest, []


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


def _check_options(backend: str, options: TensorRTOptions) -> None:
    """Refuse what only the other library has."""
    if backend == "tensorrt" and options.compute_capabilities:
        raise UsageError("TensorRT builds for the GPU it runs on; --compute-capability is for tensorrt_rtx")
    if backend == "tensorrt_rtx" and (options.timing_cache or options.dla_core is not None):
        raise UsageError(
            "TensorRT for RTX has neither a timing cache at build nor DLA; these are for tensorrt"
        )
    if backend == "tensorrt_rtx" and (options.version_compatible or options.hardware_compatible):
        raise UsageError(
            "engines of TensorRT for RTX fit any GPU of their --compute-capability; leave these out"
        )


def _builder(library: Any, logger: Any, backend: str) -> trt.Builder:
    try:
        builder: trt.Builder = library.Builder(logger)
    except (RuntimeError, TypeError) as error:  # the binding's constructor returned no object
        raise NoDeviceError(
            f"{facts_of(backend).title} does not start here ({logger.last_error()}); it builds on the GPU "
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
        origins = {node.name: origin_of(node) for node in model.proto.graph.node}
        raise EngineError(f"{title} refuses {'; '.join(_parser_error(error, origins) for error in errors)}")
    return network


def _parser_error(error: trt.ParserError, origins: dict[str, str]) -> str:
    """Name the node of a parser's error, its PyTorch line and what the parser says of it."""
    name = error.node_name()
    place = f" ({origins[name]})" if origins.get(name) else ""
    return f"{error.node_operator()} {name}{place}: {error.desc().splitlines()[0]}"


def _configure(library: Any, builder: trt.Builder, options: TensorRTOptions) -> trt.IBuilderConfig:
    config: trt.IBuilderConfig = builder.create_builder_config()
    config.profiling_verbosity = library.ProfilingVerbosity.DETAILED
    if options.workspace_mib is not None:
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
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
    if options.compute_capabilities:
        _set_compute_capabilities(library, config, options.compute_capabilities)
    return config


def _known_timings(path: Path) -> bytes:
    if not path.exists():
        return b""
    with reading(path, EngineError, what="a timing cache", mend="choose another path"):
        return read_bytes(path)


def _set_compute_capabilities(library: Any, config: Any, wanted: tuple[str, ...]) -> None:
    """Restrict an engine of TensorRT for RTX to these, such as `8.6`: it gets smaller, and opens faster."""
    known = {f"{name[2:-1]}.{name[-1]}": value for name, value in _capabilities(library).items()}
    config.num_compute_capabilities = len(wanted)
    for index, capability in enumerate(wanted):
        if capability not in known:
            raise UsageError(
                f"TensorRT for RTX has no compute capability {capability}; it has {', '.join(known)}"
            )
        config.set_compute_capability(known[capability], index)


def _capabilities(library: Any) -> dict[str, Any]:
    members = library.ComputeCapability.__members__
    return {name: value for name, value in members.items() if name.startswith("SM")}


def _keep_timings(config: trt.IBuilderConfig, options: TensorRTOptions) -> None:
    if options.timing_cache is not None:
        known: Any = config.get_timing_cache().serialize()
        write_whole(options.timing_cache, bytes(known), EngineError)


def _built_on(library: Any, backend: str, options: TensorRTOptions) -> dict[str, str]:
    """Say what the engine is tied to before it was opened; on a GPU, opening it tells more."""
    if backend == "tensorrt_rtx":
        capabilities = ", ".join(sorted(options.compute_capabilities)) or "any"
        return {backend: library.__version__, "compute_capabilities": capabilities}
    return {backend: library.__version__}
