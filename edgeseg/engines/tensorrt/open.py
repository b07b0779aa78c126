"""Turn an engine of TensorRT, or of TensorRT for RTX, into something that infers on a GPU.

Of the manifest's options `engine_file` names the serialized engine, and `contexts` says how many inferences
may run side by side. Each has its own lane: execution context, stream, buffers, and a CUDA graph of copy, run
and copy back, recorded at opening, so that an inference is one launch and one wait. TensorRT for RTX compiles
its kernels when an engine is opened, and keeps them for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle import Manifest, read_file
from edgeseg.engines import cuda
from edgeseg.engines.backend import Tensor, read_options, refuse_if_moved
from edgeseg.engines.onnxruntime.providers import cache_folder
from edgeseg.engines.pool import FORKED, Lanes
from edgeseg.engines.tensorrt.library import import_library, quiet_logger
from edgeseg.engines.tensorrt_rtx.kernel_cache import KernelCache
from edgeseg.errors import EngineError, UsageError
from edgeseg.forks import never_free, tell_of_forks
from edgeseg.records import Range, Ranged

if TYPE_CHECKING:
    import tensorrt as trt

DEVICE = "cuda"
KERNELS_FILE = "kernels.bin"

MOST_CONTEXTS = 64  # inferences side by side, each with buffers of its own


@dataclass(frozen=True)
class Options(Ranged):
    """What a manifest says of a serialized engine; see the module's docstring."""

    engine_file: str = "engine.plan"
    contexts: Annotated[int, Range(1, MOST_CONTEXTS)] = 1


CreateContext = Callable[[], "trt.IExecutionContext | None"]


class TensorRTBackend:
    """An engine with its lanes; see `Backend` for what each member promises.

    `infer` may be called from several threads; it waits for a free lane.
    """

    def __init__(
        self,
        engine: trt.ICudaEngine,
        library: Any,
        contexts: int,
        built_on: Mapping[str, str],
        create_context: CreateContext | None = None,
    ) -> None:
        self.built_on = built_on
        self.inputs, self.outputs = _tensors(engine, library)
        self._lanes: Lanes[_Lane] = Lanes(_Lane.close)
        self._forked = False
        tell_of_forks(self)
        try:
            for _ in range(contexts):
                context = create_context() if create_context else engine.create_execution_context()
                if context is None:
                    raise EngineError(
                        "TensorRT cannot make an execution context; the GPU's memory may be full"
                    )
                lane = _Lane(context, {**self.inputs, **self.outputs}, set(self.inputs))
                self._lanes.add(lane)
                lane.record()
        except BaseException:
            self.close()
            raise

    def infer(self, image: NDArray[np.uint8], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, 3) and return the outputs by name, copied out of the lane."""
        if self._forked:
            raise EngineError(FORKED)
        (name,) = self.inputs
        if image.shape != self.inputs[name].shape or image.dtype != self.inputs[name].dtype:
            raise EngineError(f"the engine takes {self.inputs[name]}, got {image.dtype} {image.shape}")
        with self._lanes.one() as lane:
            lane.buffers[name].host[...] = image
            lane.run()
            return {output: lane.buffers[output].host.copy() for output in self.outputs}

    def close(self) -> None:
        """Free the GPU's memory; closing twice is allowed."""
        if not self._forked:
            self._lanes.close()

    def forked(self) -> None:
        """Leave the GPU alone: its driver serves no forked process."""
        self._forked = True
        never_free(self)


class _Lane:
    """One inference at a time: a context, a stream, buffers, and the recorded work."""

    def __init__(
        self, context: trt.IExecutionContext, tensors: Mapping[str, Tensor], inputs: set[str]
    ) -> None:
        self.buffers: dict[str, cuda.Buffer] = {}
        self._inputs = inputs
        self._stream = cuda.Stream()
        self._recording = cuda.Recording(self._stream)
        self._context = context
        try:
            for name, tensor in tensors.items():
                shape = tuple(size for size in tensor.shape if size is not None)
                self.buffers[name] = cuda.Buffer(shape, np.dtype(tensor.dtype))
                context.set_tensor_address(name, self.buffers[name].device)
        except BaseException:
            self.close()
            raise

    def record(self) -> None:
        """Run once, as TensorRT allocates then, and record what a run queues."""
        self._queue()
        self._stream.synchronize()
        with self._recording:
            self._queue()

    def run(self) -> None:
        """Infer from the inputs' host buffers into the outputs'."""
        self._recording.launch()
        self._stream.synchronize()

    def close(self) -> None:
        self._recording.close()
        for buffer in self.buffers.values():
            buffer.close()
        self._stream.close()

    def _queue(self) -> None:
        for name in self._inputs:
            self.buffers[name].upload(self._stream.handle)
        if not self._context.execute_async_v3(int(self._stream.handle)):
            raise EngineError("TensorRT cannot run the engine; build it again on this machine")
        for name in self.buffers.keys() - self._inputs:
            self.buffers[name].download(self._stream.handle)


def open(folder: Path, manifest: Manifest, *, device: str | None, threads: int | None) -> TensorRTBackend:
    """Open an engine; arguments and errors are those of `open_backend`; `threads` has no meaning on a GPU.

    Raises:
        NoDeviceError: if there is no NVIDIA GPU, or no driver.
    """
    if (device or manifest.device) != DEVICE:
        raise UsageError(f"engines of {manifest.backend} run on {DEVICE}, not on {device}")
    options = read_options(Options, folder, manifest)
    library = import_library(manifest.backend)
    built_on = {
        **manifest.built_on,  # what holds of the engine wherever it is
        manifest.backend: library.__version__,
        "gpu": cuda.device_name(),
        "driver": f"CUDA {cuda.driver_version()}",
    }
    refuse_if_moved(folder, manifest, built_on)
    logger = quiet_logger(library)
    runtime: trt.Runtime = library.Runtime(logger)
    plan = read_file(folder, manifest, options.engine_file)
    engine: trt.ICudaEngine | None = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineError(
            f"{manifest.backend} cannot open {folder}: {logger.last_error()}; build it again here"
        )
    if manifest.backend == "tensorrt":
        return TensorRTBackend(engine, library, options.contexts, built_on)
    kernels = KernelCache(engine, cache_folder(manifest, manifest.backend) / KERNELS_FILE)
    backend = TensorRTBackend(engine, library, options.contexts, built_on, kernels.create_context)
    kernels.save()
    return backend


def _tensors(engine: trt.ICudaEngine, library: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Read the engine's inputs and outputs by name; all shapes are fixed, as the pre-flight asks."""
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        dims: Any = engine.get_tensor_shape(name)  # a sequence, which the binding's signature does not say
        shape = tuple(dims)
        if min(shape, default=1) < 0:
            raise EngineError(
                f"the engine's {name} has a shape that depends on the data, {shape}; build it again"
            )
        tensor = Tensor(np.dtype(library.nptype(engine.get_tensor_dtype(name))).name, shape)
        is_input = engine.get_tensor_mode(name) == library.TensorIOMode.INPUT
        (inputs if is_input else outputs)[name] = tensor
    return inputs, outputs
