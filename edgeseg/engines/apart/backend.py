"""Offer what runs in a process of its own as an opened engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.apart.process import Process
from edgeseg.engines.backend import Tensor
from edgeseg.engines.pool import FORKED, Pool
from edgeseg.errors import EngineError
from edgeseg.forks import never_free, tell_of_forks
from edgeseg.spec import OutputSpec


class ApartBackend:
    """A model in a process of its own; see `Backend` for what each member promises.

    `infer` may be called from several threads; one computes at a time, and other Python code goes on.

    Args:
        title: the library's.
        inputs: by name; there is one.
    """

    def __init__(
        self,
        title: str,
        process: Process[Any],
        inputs: Mapping[str, Tensor],
        outputs: Sequence[OutputSpec],
        built_on: Mapping[str, str],
    ) -> None:
        self.built_on = built_on
        self.inputs = inputs
        self.outputs = {output.name: Tensor(output.dtype, output.shape) for output in outputs}
        (self._input,) = self.inputs.values()
        self._title = title
        self._process = process
        self._processes: Pool[Process[Any]] = Pool(Process.close)
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
                    f"{self._title} failed: the engine takes {self._input.dtype} images of shape "
                    f"{self._input.shape}, got {image.dtype} {image.shape}"
                )
            try:
                values = process.infer(np.ascontiguousarray(image))
            except EngineError as error:
                raise EngineError(f"{self._title} failed: {error}") from error
        return {  # whole numbers may have been computed in another type than the graph says
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
