"""Choose ONNX Runtime's execution providers for a device, and name the nodes that they did not take.

A provider is part of ONNX Runtime, or a library of its own, which EDGESEG_PROVIDER_LIBRARY names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from edgeseg.engines import cuda
from edgeseg.engines.cache import cache_folder
from edgeseg.engines.facts import CPU
from edgeseg.errors import EngineError, MissingExtraError, NoDeviceError, UsageError
from edgeseg.machine import processor
from edgeseg.manifest import Manifest

PROVIDERS: Mapping[str, tuple[str, ...]] = {
    CPU: ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt_rtx": ("NvTensorRTRTXExecutionProvider", "CPUExecutionProvider"),
    "openvino": ("OpenVINOExecutionProvider", "CPUExecutionProvider"),
}
"""By device; each provider takes the nodes that those before it left."""

ON_NVIDIA = frozenset({"cuda", "tensorrt", "tensorrt_rtx"})
LIBRARY = "EDGESEG_PROVIDER_LIBRARY"
_GPU_WHEEL = "run: pip uninstall onnxruntime && pip install 'edgeseg[gpu]'"
_MENDS: Mapping[str, str] = {
    "cuda": _GPU_WHEEL,
    "tensorrt": _GPU_WHEEL,
    "tensorrt_rtx": f"set {LIBRARY} to the provider's own library",
    "openvino": "run: pip uninstall onnxruntime && pip install onnxruntime-openvino",
}


def providers_for(
    ort: Any, session_options: Any, manifest: Manifest, device: str, threads: int
) -> list[tuple[str, dict[str, str]]]:
    """Give what a session takes as `providers`; one from a library of its own goes into its options.

    Args:
        threads: of the CPU, for providers that run there; 0 leaves their number to the provider.

    Raises:
        UsageError: if there is no such device.
        EngineError: if its provider is not here, with what brings it.
    """
    if device not in PROVIDERS:
        raise UsageError(f"ONNX Runtime has no device {device!r}; it has {', '.join(PROVIDERS)}")
    first = PROVIDERS[device][0]
    present = ort.get_available_providers()
    if first in present:
        names = [name for name in PROVIDERS[device] if name in present]
        return [(name, _options(name, manifest, threads)) for name in names]
    devices = _devices_of_library(ort, first)
    if not devices:
        raise EngineError(f"this ONNX Runtime has no {first} (it has {', '.join(present)}); {_MENDS[device]}")
    session_options.add_provider_for_devices(devices[:1], _options(first, manifest, threads))
    return []


def built_on(device: str) -> dict[str, str]:
    """Name what an engine for a device is tied to besides the library; see `Manifest`.

    A GPU and its driver are named where cuda-bindings is installed.
    """
    if device not in ON_NVIDIA:
        return processor()
    try:
        return {"gpu": cuda.device_name(), "driver": f"CUDA {cuda.driver_version()}"}
    except (MissingExtraError, NoDeviceError):  # without a device the session does not open, and says so
        return {}


def fallback_nodes(session: Any, device: str) -> dict[str, list[str]] | None:
    """List the nodes that the device's provider did not take, by the provider that did, as `TopK node_topk`.

    The session must have been asked for it, by `session.record_ep_graph_assignment_info`.

    Returns:
        None if this ONNX Runtime does not tell.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):  # before 1.24
        return None
    found: dict[str, list[str]] = {}
    for subgraph in session.get_provider_graph_assignment_info():
        if subgraph.ep_name != PROVIDERS[device][0]:
            nodes = [f"{node.op_type} {node.name}" for node in subgraph.get_nodes()]
            found.setdefault(subgraph.ep_name, []).extend(nodes)
    return found


def _options(provider: str, manifest: Manifest, threads: int) -> dict[str, str]:
    """Choose a provider's options: precision as the graph says, and a cache of what is compiled."""
    if provider == "CUDAExecutionProvider":
        keeps_float32 = manifest.precision == "fp32" or manifest.spec.graph.float32_modules
        return {"use_tf32": "0"} if keeps_float32 else {}  # TF32 has 10 bits of float32's 23
    if provider == "NvTensorRTRTXExecutionProvider":
        return {"nv_runtime_cache_path": str(cache_folder(manifest, provider))}
    if provider == "TensorrtExecutionProvider":
        cache = str(cache_folder(manifest, provider))
        return {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": cache,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": cache,
            "trt_fp16_enable": "1" if manifest.precision == "fp16" else "0",
            "trt_int8_enable": "1" if manifest.precision == "int8" else "0",
        }
    if provider == "OpenVINOExecutionProvider":
        properties = {
            "INFERENCE_PRECISION_HINT": "f32",
            "CACHE_DIR": str(cache_folder(manifest, provider)),
            **({"INFERENCE_NUM_THREADS": str(threads)} if threads else {}),
        }
        return {"device_type": "CPU", "load_config": json.dumps({"CPU": properties})}
    return {}


def _devices_of_library(ort: Any, provider: str) -> list[Any]:
    """Load a provider that is a library of its own, once, and list the devices that it runs on."""
    if not hasattr(ort, "get_ep_devices"):  # before 1.23
        return []
    devices = [device for device in ort.get_ep_devices() if device.ep_name == provider]
    if devices or not (library := os.environ.get(LIBRARY)):
        return devices
    try:
        ort.register_execution_provider_library(provider, library)
    except Exception as error:  # ONNX Runtime raises classes of its own without a common base
        raise EngineError(f"{LIBRARY}={library} cannot be loaded: {str(error).splitlines()[0]}") from error
    return [device for device in ort.get_ep_devices() if device.ep_name == provider]
