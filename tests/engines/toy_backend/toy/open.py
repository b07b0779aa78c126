"""Turn a toy into something that infers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgeseg.engines.backend import Tensor, read_options
from edgeseg.manifest import Manifest, read_file

from .options import EngineOptions

DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class Toy:
    """A session; see `Backend` for what each member promises."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.built_on = {"toy": "1"}
        self.inputs = _tensors(session.get_inputs())
        self.outputs = _tensors(session.get_outputs())

    def infer(self, image: NDArray[np.uint8], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, 3) and return the outputs by name."""
        return dict(zip(self.outputs, self._session.run(None, {"image": image}), strict=True))

    def close(self) -> None:
        """Free nothing."""


def open(folder: Path, manifest: Manifest, *, device: str | None, threads: int | None) -> Toy:
    """Open a toy; arguments and errors are those of `open_backend`."""
    options = read_options(EngineOptions, folder, manifest)
    return Toy(onnxruntime.InferenceSession(read_file(folder, manifest, options.model_file)))


def _tensors(nodes: Any) -> dict[str, Tensor]:
    return {node.name: Tensor(DTYPES[node.type], tuple(node.shape)) for node in nodes}
