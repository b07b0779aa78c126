"""Open an engine once, and share it between many streams and threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.cores import usable_cores
from edgeseg.engines.backend import Backend, Tensor, open_backend
from edgeseg.engines.pool import CLOSED
from edgeseg.errors import EngineError, ShapeError, UsageError
from edgeseg.forks import tell_of_forks
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.runtime.batches import Batches
from edgeseg.spec import ModelSpec

INPUT_NAME = "image"


class Engine:
    """An opened engine, for as many segmenters, streams and threads as there are; a context manager.

    Where its graph takes batches, the images of calls that come together fill them: while one batch runs,
    those that come meanwhile are gathered for the next, and none waits for others to come. A forked child
    cannot use its parent's engine, and frees nothing of it.

    Args:
        manifest: says what the engine is.
        backend: the opened engine, closed with this one.

    Raises:
        EngineError: if the graph is not what the manifest says.
    """

    def __init__(self, manifest: Manifest, backend: Backend) -> None:
        _check_graph(manifest.spec, backend)
        wanted = manifest.spec.input
        self._manifest = manifest
        self._backend = backend
        self._shape = (wanted.batch, wanted.height, wanted.width, wanted.channels)
        self._dtype = np.dtype(wanted.dtype)
        self._batches = Batches(backend.infer, self._shape, self._dtype) if wanted.batch > 1 else None
        self._closed = False
        self.forked()
        tell_of_forks(self)

    @classmethod
    def open(
        cls, engine: str | PathLike[str], *, device: str | None = None, threads: int | None = None
    ) -> Engine:
        """Open the engine in a folder that `edgeseg build` made; every file is compared with its hash.

        Args:
            device: where to run, such as `cpu` or `cuda`; None stands for where it was built for.
            threads: CPU threads per inference; None stands for the number measured when it was built.

        Raises:
            EngineError: if there is no engine, a file was changed, or it does not fit this machine.
            MissingExtraError: if the backend's library is not installed.
            UsageError: if an argument does not fit the engine.
        """
        folder = Path(engine)
        cores = usable_cores()
        if threads is not None and not 1 <= threads <= cores:
            raise UsageError(f"threads must be 1 to {cores}, the cores that may be used here, got {threads}")
        manifest = read_manifest(folder, check_files=True)
        backend = open_backend(folder, manifest, device=device, threads=threads)
        try:
            return cls(manifest, backend)
        except BaseException:
            backend.close()
            raise

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape of what it takes at once, (N, H, W, C)."""
        return self._shape

    @property
    def spec(self) -> ModelSpec:
        """What the network is: task, classes, palette, input, thresholds."""
        return self._manifest.spec

    @property
    def manifest(self) -> Manifest:
        """What the engine is: backend, precision, device, files."""
        return self._manifest

    def infer(self, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run images (n, H, W, C) of the input's size and type, in as many batches as they take, n >= 1.

        Returns:
            The outputs of these images by name, (n, ...) each; they belong to the caller. Where the number
            of detections depends on the image, those with fewer are padded with zeros, a score of 0.

        Raises:
            ShapeError: if `images` has another shape or dtype.
            EngineError: if the engine fails, is closed, also while the call waits, or was opened before this
                process was forked.
        """
        self._check_images(images)
        most = self._shape[0]
        if len(images) <= most:
            return self._infer_batch(images)
        starts = range(0, len(images), most)
        return _joined([self._infer_batch(images[start : start + most]) for start in starts])

    def _infer_batch(self, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run as many images as the batch holds, or fewer."""
        thread = threading.get_ident()
        try:
            with self._changed:
                if self._closed:
                    raise EngineError(CLOSED)
                self._in_flight.add(thread)
            if self._batches is None or len(images) == self._shape[0]:
                return self._backend.infer(images)
            return self._batches.infer(images)
        finally:
            with self._changed:
                self._in_flight.discard(thread)
                if self._closed:
                    self._changed.notify_all()

    def close(self) -> None:
        """Refuse what comes, send away what waits, and free the engine after what runs.

        Closing twice is allowed.
        """
        with self._changed:
            self._closed = True
        if self._batches is not None:
            self._batches.close()
        self._backend.close()
        # This thread is in no inference, even where an interrupt has kept it from saying so.
        own = {threading.get_ident()}
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight <= own)

    def forked(self) -> None:
        """Begin anew with what the parent's threads may hold; they are not here."""
        self._changed = threading.Condition()
        self._in_flight: set[int] = set()  # threads that are in an inference

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_images(self, images: NDArray[Any]) -> None:
        if images.shape[1:] == self._shape[1:] and images.dtype == self._dtype and len(images):
            return
        kind = "uint8 BGR" if self.spec.input.takes_camera_frames else str(self._dtype)
        raise ShapeError(
            f"the engine takes images (n, {', '.join(map(str, self._shape[1:]))}) {kind}, at least one, "
            f"got {images.shape} {images.dtype}; a Segmenter makes that of frames of any size"
        )


def _joined(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Put the outputs of several batches one behind the other, detections padded to the most of any."""
    outputs = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts]
        most = max(value.shape[1] for value in values)
        count = sum(map(len, values))
        outputs[name] = np.zeros((count, most, *first.shape[2:]), first.dtype)
        start = 0
        for value in values:
            outputs[name][start : start + len(value), : value.shape[1]] = value
            start += len(value)
    return outputs


def _check_graph(spec: ModelSpec, backend: Backend) -> None:
    """Compare what the graph takes and gives with what the spec says of it."""
    batch = spec.input.batch
    image = Tensor(spec.input.dtype, (batch, spec.input.height, spec.input.width, spec.input.channels))
    _check_tensors("input", {INPUT_NAME: image}, backend.inputs)
    outputs = {output.name: Tensor(output.dtype, output.shape) for output in spec.outputs}
    _check_tensors("output", outputs, backend.outputs)
    for name, tensor in outputs.items():
        if batch > 1 and tensor.shape[:1] != (batch,):
            raise EngineError(
                f"the engine takes {batch} images at once, its output {name} is {tensor.shape}, not one of "
                "each; export the model again"
            )
    if spec.output_kind == "logits" and outputs["logits"].shape[1] != len(spec.class_names):
        raise EngineError(
            f"the spec has {len(spec.class_names)} classes, its logits are {outputs['logits'].shape}; "
            "export the model again"
        )


def _check_tensors(role: str, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    if set(wanted) != set(found):
        raise EngineError(
            f"the graph's {role}s are {', '.join(sorted(found))}, its spec says "
            f"{', '.join(sorted(wanted))}; export the model again"
        )
    for name, tensor in wanted.items():
        if not fits(tensor, found[name]):
            raise EngineError(
                f"the graph's {role} {name} is {found[name].dtype} {found[name].shape}, its spec says "
                f"{tensor.dtype} {tensor.shape}; export the model again"
            )


def fits(wanted: Tensor, found: Tensor) -> bool:
    """Whether two tensors have one dtype and shape; a size that depends on the data fits any."""
    return (
        wanted.dtype == found.dtype
        and len(wanted.shape) == len(found.shape)
        and all(a == b or None in (a, b) for a, b in zip(wanted.shape, found.shape, strict=True))
    )
