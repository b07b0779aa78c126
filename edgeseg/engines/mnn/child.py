"""What runs in the process of an MNN engine: it loads a module and answers images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.apart import serving
from edgeseg.engines.apart.serving import PrintedError, Run


@dataclass(frozen=True)
class Load:
    """What to load.

    Attributes:
        model: path of a converted model.
        outputs: names of its outputs, in the order in which they are given.
        config: of MNN's runtime manager.
        hints: what else it is told, by numbers that MNN's headers name.
    """

    model: str
    outputs: Sequence[str]
    config: Mapping[str, Any]
    hints: Mapping[int, int]


@dataclass(frozen=True)
class Loaded:
    """What was loaded, as the library tells: its version, and the inputs' types and sizes by name."""

    version: str
    inputs: Mapping[str, tuple[str, tuple[int, ...]]]


def serve() -> None:
    """Answer the parent; ends the process."""
    serving.serve(load)


def load(order: Load) -> tuple[Run, Loaded]:
    """Load a model; returns what runs it, and what it is."""
    import MNN
    from MNN import expr, nn

    manager = nn.create_runtime_manager((dict(order.config),))
    for hint, value in order.hints.items():
        manager.set_hint(hint, value)
    module = nn.load_module_from_file(order.model, ["image"], list(order.outputs), runtime_manager=manager)
    info = module.get_info()
    inputs = dict(zip(info["inputNames"], info["inputs"], strict=True))
    loaded = Loaded(MNN.version(), {n: (_numpy_name(v.dtype), tuple(v.shape)) for n, v in inputs.items()})
    (kind,) = (value.dtype for value in inputs.values())

    def run(image: NDArray[Any]) -> list[NDArray[Any]]:
        placeholder = expr.placeholder(list(image.shape), expr.NCHW, kind)
        placeholder.write(image)
        found = module.forward([placeholder])
        if len(found) != len(order.outputs):
            raise PrintedError("it gave no outputs")
        return [_read(expr, value) for value in found]

    return run, loaded


def _numpy_name(dtype: Any) -> str:
    name = str(dtype).rpartition(".")[2]
    return "float32" if name == "float" else name


def _read(expr: Any, value: Any) -> NDArray[Any]:
    """Read an output, from MNN's own layout if it has that; an empty one it does not give."""
    if 0 in value.shape:
        return np.zeros(value.shape, np.float32)
    if value.data_format == expr.NC4HW4:
        value = expr.convert(value, expr.NCHW)
    array: NDArray[Any] = value.read().reshape(value.shape)
    return array
