"""Open an engine built for MNN: a converted model with the manifest's options, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.cores import usable_cores
from edgeseg.engines.backend import Tensor, read_options, refuse_if_moved
from edgeseg.engines.mnn.child import Load
from edgeseg.engines.mnn.facts import FACTS
from edgeseg.engines.mnn.options import EngineOptions, Winograd
from edgeseg.engines.mnn.process import Process, check_installed
from edgeseg.engines.pool import FORKED, Pool
from edgeseg.errors import EngineError, UsageError
from edgeseg.forks import never_free, tell_of_forks
from edgeseg.machine import processor
from edgeseg.manifest import Manifest, open_file
from edgeseg.spec import OutputSpec

WINOGRAD_MEMORY_LEVEL = 3  # a hint: how many sizes of units there are to choose from
WINOGRAD_LEVELS: Mapping[Winograd, int] = {"large": 3, "small": 1, "none": 0}


class MNNBackend:
    """A module in a process of its own; see `Backend` for what each member promises.

    `infer` may be called from several threads; one computes at a time, and other Python code goes on.
    """

    def __init__(self, process: Process, outputs: Sequence[OutputSpec], built_on: Mapping[str, str]) -> None:
        self.built_on = built_on
        self.inputs = {name: Tensor(*tensor) for name, tensor in process.loaded.inputs.items()}
        self.outputs = {output.name: Tensor(output.dtype, output.shape) for output in outputs}
        (self._input,) = self.inputs.values()
        self._process = process
        self._processes: Pool[Process] = Pool(Process.close)
        self._processes.add(process)
        self._forked = False
        tell_of_forks(self)

    @property
    def process_id(self) -> int:
        """The system's number of the process that computes."""
        return self._process.id

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, C) and return the outputs by name."""
        if self._forked:
            raise EngineError(FORKED)
        with self._processes.take() as process:
            if image.shape != self._input.shape or image.dtype != self._input.dtype:
                raise EngineError(
                    f"MNN failed: the engine takes {self._input.dtype} images of shape {self._input.shape}, "
                    f"got {image.dtype} {image.shape}"
                )
            try:
                values = process.infer(np.ascontiguousarray(image))
            except EngineError as error:
                raise EngineError(f"MNN failed: {error}") from error
        return {  # MNN computes whole numbers in 32 bits, whatever the graph says
            name: value.astype(tensor.dtype, copy=False)
            for (name, tensor), value in zip(self.outputs.items(), values, strict=True)
        }

    def close(self) -> None:
        """End the process, after the inference that runs; closing twice is allowed."""
        if not self._forked:
            self._processes.close()

    def forked(self) -> None:
        """Leave the process alone: it is the parent's."""
        self._forked = True
        self._process.forked()
        never_free(self)


def open(folder: Path, manifest: Manifest, *, device: str | None, threads: int | None) -> MNNBackend:
    """Open a converted model; arguments and errors are those of `open_backend`."""
    check_installed()
    options = read_options(EngineOptions, folder, manifest)
    device = device or manifest.device
    if device not in FACTS.devices:
        raise UsageError(f"MNN has no device {device!r}; it has {', '.join(FACTS.devices)}")
    outputs = options.outputs or manifest.spec.outputs
    with open_file(folder, manifest, options.model_file):  # compares it with its hash
        try:
            process = Process(_order(folder, options, [output.name for output in outputs], threads))
        except EngineError as error:
            raise EngineError(f"MNN cannot open {folder}: {error}") from error
    try:
        built_on = {"mnn": process.loaded.version, **processor()}
        refuse_if_moved(folder, manifest, built_on)
        return MNNBackend(process, outputs, built_on)
    except BaseException:
        process.close()
        raise


def _order(folder: Path, options: EngineOptions, outputs: list[str], threads: int | None) -> Load:
    """Say the manifest's options in MNN's words."""
    config = session_config(options, threads)
    model = str((folder / options.model_file).resolve())
    return Load(model, outputs, config, {WINOGRAD_MEMORY_LEVEL: WINOGRAD_LEVELS[options.winograd]})


def session_config(options: EngineOptions, threads: int | None) -> dict[str, Any]:
    """Say what MNN calls the configuration of a session."""
    return {
        "backend": "CPU",
        "precision": "high",
        "numThread": threads or min(options.threads or usable_cores(), usable_cores()),
    }
