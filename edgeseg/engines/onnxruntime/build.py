"""Build an ONNX Runtime engine: graph optimised once, session options measured."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from edgeseg.engines.backend import written
from edgeseg.engines.candidates import measure_options, thread_counts
from edgeseg.engines.facts import CPU
from edgeseg.engines.job import BuildJob
from edgeseg.engines.onnxruntime.facts import FACTS
from edgeseg.engines.onnxruntime.options import EngineOptions
from edgeseg.engines.tuning import Measured
from edgeseg.errors import EngineError
from edgeseg.extras import require
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.view import Layer
from edgeseg.manifest import Manifest

MODEL_FILE = EngineOptions.model_file
WEIGHTS_FILE = "model.weights"
MAPPED_BYTES = 8 << 20  # of a model, from which on its weights are worth a file of their own
LEAST_MAPPED_BYTES = 1 << 10  # of a tensor in it
ON_CPU = (CPU, "openvino")
CORES_FOR_BRANCHES = 3  # on two, branches side by side take each other's core: half to three quarters as fast
# Operators with weights in optimised graphs, and which input holds them.
_INT8 = {"QLinearConv": 3, "QGemm": 3, "QLinearMatMul": 3, "ConvInteger": 1, "MatMulIntegerToFloat": 1}
_FLOAT = ("Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul")
_WEIGHT_INPUT = _INT8 | dict.fromkeys(_FLOAT, 1)
_ADDED = re.compile(r"^InsertedPrecisionFreeCast_|(\.fp16)?(_nchwc|_token_\d+|_quant)*$")
DOUBLES_NAMES = ("GatherSliceToSplitFusion",)
"""Optimisers that name outputs in the body of a loop as some around it: what is saved cannot be opened."""
LOG_ERRORS_ONLY = 3  # ONNX Runtime warns that an optimised graph fits this machine only, which is its purpose


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Write the engine's files and decide its session options; see `FillEngine`."""
    manifest = write_files(job)
    device = manifest.device
    measured = measure_options(job, manifest, _choices(device, job.request.threads))
    manifest = dataclasses.replace(manifest, options=measured[0].options)
    return (manifest if device == CPU else _with_fallback_nodes(job, manifest)), measured


def write_files(job: BuildJob) -> Manifest:
    """Write the engine's files; see `WriteFiles`."""
    device = job.request.device or CPU
    optimised = device == CPU
    threads = {} if job.request.threads is None else {"intra_op_threads": job.request.threads}
    # the saved graph is optimised already; doing it again would only slow down opening
    files = {MODEL_FILE: ""}
    if optimised:
        _save_optimised(job.model, job.staging / MODEL_FILE)
        if (job.staging / WEIGHTS_FILE).exists():
            files[WEIGHTS_FILE] = ""
    else:
        (job.staging / MODEL_FILE).write_bytes(job.model.to_bytes())
    options = written(
        EngineOptions,
        model_file=MODEL_FILE,
        weights_file=WEIGHTS_FILE if WEIGHTS_FILE in files else None,
        graph_optimization="disabled" if optimised else "all",
        **threads,
    )
    return Manifest(
        backend="onnxruntime",
        backend_version=require("onnxruntime", FACTS.extra).__version__,
        precision=job.request.precision,
        device=device,
        spec=job.spec,
        model_sha256=job.model_sha256,
        files=files,
        options=options,
    )


def _with_fallback_nodes(job: BuildJob, manifest: Manifest) -> Manifest:
    """Note which nodes the device leaves to the processor, by execution provider, if it tells."""
    with closing(job.open_engine(job.staging, manifest)) as runner:
        fallback_nodes = getattr(runner, "fallback_nodes", None)
    if fallback_nodes is None:
        return manifest
    return dataclasses.replace(manifest, options={**manifest.options, "left_over": fallback_nodes})


def layer_precisions(folder: Path, manifest: Manifest, layers: Sequence[Layer]) -> dict[str, str]:
    """Read from the optimised graph in which precision each layer computes; nothing where there is none."""
    import onnx

    if manifest.options["graph_optimization"] != "disabled":
        return {}
    graph = onnx.load(folder / manifest.options["model_file"], load_external_data=False).graph
    dtypes = {tensor.name: tensor.data_type for tensor in graph.initializer}
    layer_of = {name: layer.name for layer in layers for name in (*layer.nodes, *layer.outputs)}
    found: dict[str, set[str]] = {}
    for node in graph.node:
        if node.op_type not in _WEIGHT_INPUT:
            continue
        layer = next((layer_of[name] for name in _former_names(node) if name in layer_of), None)
        if layer is not None:
            weight = dtypes.get(node.input[_WEIGHT_INPUT[node.op_type]])
            half = weight == onnx.TensorProto.FLOAT16
            precision = "int8" if node.op_type in _INT8 else "fp16" if half else "fp32"
            found.setdefault(layer, set()).add(precision)
    return {name: " and ".join(sorted(precisions)) for name, precisions in found.items()}


def _former_names(node: Any) -> Iterator[str]:
    """Take off the node's and its outputs' names what the optimiser put there."""
    for name in (node.name, *node.output):
        yield _ADDED.sub("", name)


def _choices(device: str, threads: int | None) -> list[dict[str, Any]]:
    """List the options worth measuring: thread counts, how threads wait, and branches side by side."""
    counts = thread_counts(threads) if device in ON_CPU else [threads or 1]
    choices: list[dict[str, Any]] = [
        {"intra_op_threads": count, "spinning": True, "execution_mode": "sequential"} for count in counts
    ]
    if device == CPU and counts[-1] > 1:
        choices.append({**choices[-1], "spinning": False})
    if device == CPU and counts[-1] >= CORES_FOR_BRANCHES:
        choices.append({**choices[len(counts) - 1], "execution_mode": "parallel"})
    return choices


def _save_optimised(model: PortableModel, target: Path) -> None:
    """Let ONNX Runtime fuse and lay out the graph for this CPU, and keep the result, large weights apart."""
    data = model.to_bytes()
    needed, free = len(data), shutil.disk_usage(target.parent).free
    if free < needed:  # ONNX Runtime would blame the graph
        raise EngineError(
            f"{target.parent.parent} has {free >> 20} MiB left, the engine takes {needed >> 20}"
        )
    ort = require("onnxruntime", FACTS.extra)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(target)
    options.log_severity_level = LOG_ERRORS_ONLY
    if needed >= MAPPED_BYTES:
        apart = "session.optimized_model_external_initializers"
        options.add_session_config_entry(f"{apart}_file_name", WEIGHTS_FILE)
        options.add_session_config_entry(f"{apart}_min_size_in_bytes", str(LEAST_MAPPED_BYTES))
    left_out = DOUBLES_NAMES if model.has_bodies else ()
    try:
        ort.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(left_out)
        )
    except Exception as error:  # ONNX Runtime raises classes of its own without a common base
        raise EngineError(f"ONNX Runtime refuses {model.name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
