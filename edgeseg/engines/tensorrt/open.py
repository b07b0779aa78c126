"""Run a serialized engine of TensorRT on a GPU.

Inferences that may run side by side each have their own slot: execution context, stream, buffers, and a CUDA
graph of copy, run and copy back, recorded at opening, so that an inference is one launch and one wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines import cuda
from edgeseg.engines.backend import Tensor, read_options, refuse_if_moved
from edgeseg.engines.pool import FORKED, Pool
from edgeseg.engines.tensorrt.buffers import Buffer, Recording, Stream
from edgeseg.engines.tensorrt.facts import GPU
from edgeseg.engines.tensorrt.library import import_library, quiet_logger
from edgeseg.engines.tensorrt.options import EngineOptions
from edgeseg.errors import EngineError, UsageError
from edgeseg.forks import never_free, tell_of_forks
from edgeseg.manifest import Manifest, read_file

if TYPE_CHECKING:
    import tensorrt as trt

CreateContext = Callable[[], "trt.IExecutionContext | None"]


class TensorRTBackend:
    """An engine with its slots; see `Backend` for what each member promises.

    `infer` may be called from several threads; it waits for a free slot.
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
        self.inputs, self.outputs = tensors_of(engine, library)
        self._slots: Pool[Slot] = Pool(Slot.close)
        self._forked = False
        tell_of_forks(self)
        try:
            for _ in range(contexts):
                context = create_context() if create_context else engine.create_execution_context()
                if context is None:
                    raise EngineError(
                        "TensorRT cannot make an execution context; the GPU's memory may be full"
                    )
                slot = Slot(context, {**self.inputs, **self.outputs}, set(self.inputs))
                self._slots.add(slot)
                slot.record()
        except BaseException:
            self.close()
            raise

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, C) and return the outputs by name, copied out of the slot."""
        if self._forked:
            raise EngineError(FORKED)
        (name,) = self.inputs
        if image.shape != self.inputs[name].shape or image.dtype != self.inputs[name].dtype:
            raise EngineError(f"the engine takes {self.inputs[name]}, got {image.dtype} {image.shape}")
        with self._slots.take() as slot:
            slot.buffers[name].host[...] = image
            slot.run()
            return {output: slot.buffers[output].host.copy() for output in self.outputs}

    def close(self) -> None:
        """Free the GPU's memory; closing twice is allowed."""
        if not self._forked:
            self._slots.close()

    def forked(self) -> None:
        """Leave the GPU alone: its driver serves no forked process."""
        self._forked = True
        never_free(self)


class Slot:
    """One inference at a time: a context, a stream, buffers, and the recorded work."""

    def __init__(
        self, context: trt.IExecutionContext, tensors: Mapping[str, Tensor], inputs: set[str]
    ) -> None:
        self.buffers: dict[str, Buffer] = {}
        self._inputs = inputs
        self._stream = Stream()
        self._recording = Recording(self._stream)
        self._context = context
        try:
            for name, tensor in tensors.items():
                shape = tuple(size for size in tensor.shape if size is not None)
                self.buffers[name] = Buffer(shape, np.dtype(tensor.dtype))
                if not context.set_tensor_address(name, self.buffers[name].device):
                    raise EngineError(f"TensorRT refuses the memory of {name}; build the engine again here")
        except BaseException:
            self.close()
            raise

    def run_unrecorded(self) -> None:
        """Infer as `run` does, by queueing all anew."""
        self._queue()
        self._stream.synchronize()

    def record(self) -> None:
        """Run once, as TensorRT allocates then, and record what a run queues."""
        self.run_unrecorded()
        with self._recording:
            self._queue()

    def run(self) -> None:
        """Infer from the inputs' host buffers into the outputs'."""
        self._recording.launch()
        self._stream.synchronize()

    def close(self) -> None:
        """Free all, when the work is done that an exception has left on the stream."""
        with suppress(EngineError):  # of work that failed; it is over then, too
            self._stream.synchronize()
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
    return TensorRTBackend(*deserialized(folder, manifest, device))


class Deserialized(NamedTuple):
    """An engine that has no context yet."""

    engine: trt.ICudaEngine
    library: Any
    contexts: int
    built_on: Mapping[str, str]


def deserialized(folder: Path, manifest: Manifest, device: str | None) -> Deserialized:
    """Read an engine of TensorRT, or of TensorRT for RTX; raises as `open`."""
    if (device or manifest.device) != GPU:
        raise UsageError(f"engines of {manifest.backend} run on {GPU}, not on {device}")
    options = read_options(EngineOptions, folder, manifest)
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
    return Deserialized(engine, library, options.contexts, built_on)


def tensors_of(engine: trt.ICudaEngine, library: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
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
