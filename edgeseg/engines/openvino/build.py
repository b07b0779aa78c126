"""Build an OpenVINO engine: compiled once for this device, its options measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeseg.cores import usable_cores
from edgeseg.engines.backend import written
from edgeseg.engines.candidates import measure_options, thread_counts
from edgeseg.engines.facts import CPU
from edgeseg.engines.job import BuildJob
from edgeseg.engines.openvino.facts import FACTS
from edgeseg.engines.openvino.options import BuildOptions, EngineOptions, FloatType
from edgeseg.engines.request import Request
from edgeseg.engines.tuning import Measured
from edgeseg.errors import EngineError, UsageError
from edgeseg.extras import require
from edgeseg.graph.view import Layer
from edgeseg.manifest import Manifest
from edgeseg.spec import ModelSpec

MODEL_FILE = EngineOptions.model_file
FLOAT32: FloatType = "f32"
HEAVY = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")  # layers of a compiled model
PRECISIONS = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}  # by OpenVINO's words
HALF: Mapping[str, FloatType] = {
    "FP16": "f16",
    "BF16": "bf16",
}  # what a device calls its capability, and what it is asked for


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Write the compiled model and decide its options; see `FillEngine`."""
    manifest = write_files(job)
    hint = job.request.options_as(BuildOptions).hint
    choices = _choices(manifest.device, hint, job.request.threads)
    at_once = usable_cores() if hint == "throughput" else 1
    measured = measure_options(job, manifest, choices, at_once=at_once)
    return dataclasses.replace(manifest, options=measured[0].options), measured


def write_files(job: BuildJob) -> Manifest:
    """Write the compiled model; see `WriteFiles`."""
    openvino = require("openvino", FACTS.extra)
    request = job.request
    device = request.device or CPU
    core = openvino.Core()
    try:
        capabilities = core.get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
        computes_in = _computes_in(capabilities, request, keeps_float=_keeps_float(job.spec))
        properties = {"INFERENCE_PRECISION_HINT": computes_in}
        model = core.read_model(job.model.to_bytes())
        blob = core.compile_model(model, device.upper(), properties).export_model()
    except RuntimeError as error:  # all that OpenVINO raises
        reason = str(error).strip().splitlines()[-1]  # the lines above name places in its sources
        raise EngineError(f"OpenVINO refuses {job.model.name} on {device}: {reason}") from error
    threads = {} if request.threads is None else {"threads": request.threads}
    (job.staging / MODEL_FILE).write_bytes(blob.getbuffer())
    return Manifest(
        backend="openvino",
        backend_version=openvino.__version__.partition("-")[0],
        precision=request.precision,
        device=device,
        spec=job.spec,
        model_sha256=job.model_sha256,
        files={MODEL_FILE: ""},
        options=written(EngineOptions, model_file=MODEL_FILE, inference_precision=computes_in, **threads),
    )


def layer_precisions(folder: Path, manifest: Manifest, layers: Sequence[Layer]) -> dict[str, str]:
    """Read from the compiled model in which precision each layer computes."""
    openvino = require("openvino", FACTS.extra)
    properties = {"INFERENCE_PRECISION_HINT": manifest.options["inference_precision"]}
    blob = (folder / manifest.options["model_file"]).read_bytes()
    compiled = openvino.Core().import_model(blob, manifest.device.upper(), properties)
    # a layer whose output is the graph's is called by the output's name there
    layer_of = {name: layer.name for layer in layers for name in (*layer.outputs, *layer.nodes)}
    found: dict[str, set[str]] = {}
    for operation in compiled.get_runtime_model().get_ordered_ops():
        notes = operation.get_rt_info()
        if str(_note(notes, "layerType")) not in HEAVY:
            continue
        fused = str(_note(notes, "originalLayersNames")).split(",")
        layer = next((layer_of[name] for name in fused if name in layer_of), None)
        if layer is not None:
            precision = str(_note(notes, "runtimePrecision"))
            found.setdefault(layer, set()).add(PRECISIONS.get(precision, precision))
    return {name: " and ".join(sorted(precisions)) for name, precisions in found.items()}


def _note(notes: Any, name: str) -> Any:
    """Read what the compiled model says of an operation, a string or an object that turns into one."""
    value = notes[name]
    return value.astype(str) if hasattr(value, "astype") else value


def _computes_in(capabilities: list[str], request: Request, *, keeps_float: bool) -> FloatType:
    """Decide what float layers are computed in; by itself OpenVINO takes bfloat16 for float32 where it can.

    It is the whole graph that changes, and with it what an fp16 graph keeps in float32, such as boxes and
    modules that must stay float32. That loses detections and refinement, so that graphs with either
    (`keeps_float`) stay in float32 where nothing else is asked for.

    Raises:
        UsageError: if something else than float32 is asked of an fp32 engine.
    """
    asked = request.options_as(BuildOptions).computes_in
    if request.precision == "fp32" and asked not in (None, FLOAT32):
        raise UsageError(f"an fp32 engine computes in {FLOAT32}; for {asked}, build it with --precision fp16")
    if asked is not None:
        return asked
    here = [word for name, word in HALF.items() if name in capabilities]
    return here[0] if request.precision == "fp16" and here and not keeps_float else FLOAT32


def _keeps_float(spec: ModelSpec) -> bool:
    return spec.task == "instance" or bool(spec.graph.float32_modules)


def _choices(device: str, hint: str, threads: int | None) -> list[dict[str, Any]]:
    """List the options worth measuring: thread counts, threads free to wander, and streams for throughput."""
    if device != CPU:
        return [{"streams": 1 if hint == "latency" else 2}]
    counts = thread_counts(threads)
    if hint == "throughput":
        streams = thread_counts(None)
        return [{"streams": n, "threads": max(n, counts[-1]), "pinned": True} for n in streams]
    choices = [{"streams": 1, "threads": count, "pinned": True} for count in counts]
    return [*choices, {"streams": 1, "threads": counts[-1], "pinned": False}]
