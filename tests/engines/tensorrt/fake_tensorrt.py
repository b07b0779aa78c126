"""TensorRT without a GPU: an engine that labels bright pixels and adds an image up, on a fake of CUDA."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from edgeseg.manifest import Manifest, engine_folder, seal
from tests.runtime.specs import labels_spec

from .fake_cuda import FakeCuda

VERSION = "10.9"
BRIGHT = 127
PLAN = b"plan "  # a serialized engine: this, the image's height and width, and the outputs' names
OUTPUTS = ("labels", "total")
LAYER_MS = {"conv + relu": (0.5, 0.25), "reformat": (0.125,), "unheard of": (0.0625,)}  # reported one by one
INFORMATION = {  # in the form of TensorRT's engine inspector
    "Layers": [
        {
            **{"Name": "conv + relu", "LayerType": "CaskConvolution"},
            "Inputs": [{"Name": "x", "Dimensions": [1, 3, 4, 5], "Format/Datatype": "FP16 format"}],
            "Outputs": [{"Name": "y", "Dimensions": [1, 8, 4, 5], "Format/Datatype": "FP32 format"}],
            "Metadata": "[ONNX Layer: node_conv]\x1e[ONNX Layer: node_relu]",
        },
        {
            **{"Name": "reformat", "LayerType": "Reformat", "Metadata": ""},
            "Inputs": [{"Name": "y", "Dimensions": [1, -1], "Format/Datatype": "FP32 format"}],
            "Outputs": [],
        },
    ]
}
GPU_AND_DRIVER = {"gpu": "NVIDIA Fake, 8.6", "driver": "CUDA 13.0"}


def answer(image: np.ndarray) -> dict[str, np.ndarray]:
    """Compute what the engine computes of (1, H, W, 3) uint8."""
    total = image.reshape(len(image), -1).sum(axis=1, dtype=np.float32)
    return {"labels": (image[..., 0] > BRIGHT).astype(np.uint8), "total": total}


class Context:
    """An execution context; what it runs is computed when its stream is waited for."""

    def __init__(self, cuda: FakeCuda, engine: Engine) -> None:
        self._cuda, self._engine = cuda, engine
        self._addresses: dict[str, int] = {}
        self._handle = cuda.take("context")
        self._has_run = threading.Event()
        self.profiler: Any = None

    def __del__(self) -> None:
        self._cuda.give("context", self._handle)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if self._cuda.fails():
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        cuda, shapes, addresses = self._cuda, self._engine.shapes, dict(self._addresses)
        if cuda.fails() or set(addresses) != set(shapes):
            return False
        has_run, profiler = self._has_run, self.profiler
        if cuda.is_captured(stream_handle) and not has_run.is_set():
            return False  # the first run allocates, which a capture forbids

        def run() -> None:
            has_run.set()
            image = cuda.memory(addresses["image"]).reshape(shapes["image"])
            for name, value in answer(image).items():
                if name in addresses:
                    cuda.memory(addresses[name])[: value.nbytes] = np.frombuffer(value.tobytes(), np.uint8)
            if profiler is not None:
                for layer, times in LAYER_MS.items():
                    for time_ms in times:
                        profiler.report_layer_time(layer, time_ms)

        cuda.queue(stream_handle, run, {self._handle, *addresses.values()})
        return True


class Engine:
    """An engine with one input; of TensorRT for RTX it is also its own configuration and cache of kernels."""

    def __init__(
        self, cuda: FakeCuda, size_hw: tuple[int, int], outputs: Sequence[str] = OUTPUTS, *, total: int = 1
    ) -> None:
        self._cuda = cuda
        shapes = {"labels": (1, *size_hw), "total": (total,)}
        self.shapes = {"image": (1, *size_hw, 3), **{name: shapes[name] for name in outputs}}
        self.num_io_tensors = len(self.shapes)
        self.kernels: bytes | None = b"kernels"

    def get_tensor_name(self, index: int) -> str:
        return list(self.shapes)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes[name]

    def get_tensor_dtype(self, name: str) -> str:
        return "float" if name == "total" else "uint8"

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name == "image" else "output"

    def create_execution_context(self, config: Engine | None = None) -> Context | None:
        return None if self._cuda.fails() else Context(self._cuda, self)

    def create_engine_inspector(self) -> SimpleNamespace:
        return SimpleNamespace(get_engine_information=lambda form: json.dumps(INFORMATION))

    def create_runtime_config(self) -> Engine:
        return self

    def create_runtime_cache(self) -> Engine:
        return self

    def set_runtime_cache(self, cache: Engine) -> bool:
        return True

    def deserialize(self, blob: bytes) -> bool:
        return blob == self.kernels

    def serialize(self) -> bytes | None:
        return self.kernels


def library(cuda: FakeCuda) -> Any:
    """Make a module as `tensorrt` and `tensorrt_rtx` are."""

    class Logger:
        def __init__(self) -> None:
            pass

    class Profiler:
        def __init__(self) -> None:
            pass

    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
            if cuda.fails() or not plan.startswith(PLAN):
                self._logger.log("error", "the plan is for another version\nand more")
                return None
            height, width, *outputs = plan.removeprefix(PLAN).decode().split()
            return Engine(cuda, (int(height), int(width)), outputs)

    return SimpleNamespace(
        __version__=VERSION,
        Builder=object,
        ILogger=Logger,
        IProfiler=Profiler,
        LayerInformationFormat=SimpleNamespace(JSON="json"),
        Logger=SimpleNamespace(INTERNAL_ERROR="internal", ERROR="error"),
        Runtime=Runtime,
        TensorIOMode=SimpleNamespace(INPUT="input"),
        nptype={"uint8": np.uint8, "float": np.float32}.__getitem__,
    )


def write_fake_engine(
    folder: Path,
    size_hw: tuple[int, int],
    *,
    backend: str = "tensorrt",
    contexts: int = 2,
    outputs: Sequence[str] = OUTPUTS,
) -> Path:
    """Write an engine that the fake library opens on the fake GPU."""

    manifest = Manifest(
        backend=backend,
        backend_version=VERSION,
        precision="fp32",
        device="cuda",
        spec=labels_spec(size_hw),
        model_sha256="0" * 64,
        files={"engine.plan": ""},
        options={"contexts": contexts},
        built_on={backend: VERSION, **GPU_AND_DRIVER},
    )
    with engine_folder(folder) as staging:
        (staging / "engine.plan").write_bytes(PLAN + " ".join([*map(str, size_hw), *outputs]).encode())
        seal(staging, manifest)
    return folder
