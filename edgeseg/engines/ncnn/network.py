"""Hold a network as ncnn's files do: layers that compute blobs, in order, and their weights.

The text file names for each layer its kind, its own name, the blobs that it reads and makes, and numbered
parameters; the other file has all weights, one after another (ncnn's `param-and-model-file-structure` and
`operation-param-weight-table`). A blob is read once: where several layers read one, a `Split` makes as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = 7767517
INPUT = "Input"
ARRAY_KEY = -23300  # less the number of a parameter: how the file marks a list
RAW_FLOAT32 = np.zeros(1, "<u4").tobytes()  # a tag before weights that may be stored in several types
ACTIVATION, ACTIVATION_PARAMETERS = 9, 10  # parameters of layers that compute an activation, too

Value = float | tuple[float, ...]

FUSING = ("Convolution", "ConvolutionDepthWise", "Deconvolution", "DeconvolutionDepthWise")
CLIP, SIGMOID, HARD_SWISH = 3, 4, 6  # kinds of activations, besides those with slopes
RELU, LEAKY_RELU = 1, 2


@dataclass(frozen=True)
class Weights:
    """An array of a layer; tagged ones are those that ncnn may hold in other types."""

    values: NDArray[np.float32]
    tagged: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer.

    Attributes:
        kind: ncnn's name of what it computes.
        name: its own, that of the ONNX graph's node.
        bottoms, tops: names of the blobs that it reads and makes.
        parameters: by their numbers in ncnn's table of operators.
    """

    kind: str
    name: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    parameters: Mapping[int, Value] = field(default_factory=dict)
    weights: tuple[Weights, ...] = ()


def fused(layers: Sequence[Layer], outputs: Sequence[str]) -> list[Layer]:
    """Let convolutions compute the activations that alone read what they make.

    Args:
        outputs: blobs that are read from outside.
    """
    reads = Counter(name for layer in layers for name in layer.bottoms)
    reads.update(outputs)
    made: dict[str, int] = {}  # where in `found` the layer is that makes a blob
    found: list[Layer] = []
    for layer in layers:
        activation = _activation(layer)
        at = made.get(layer.bottoms[0]) if layer.bottoms else None
        if activation is not None and at is not None and reads[layer.bottoms[0]] == 1:
            before = found[at]
            if before.kind in FUSING and ACTIVATION not in before.parameters:
                parameters = {**before.parameters, **activation}
                found[at] = replace(before, tops=layer.tops, parameters=parameters)
                made[layer.tops[0]] = at
                continue
        made.update(dict.fromkeys(layer.tops, len(found)))
        found.append(layer)
    return found


def _activation(layer: Layer) -> dict[int, Value] | None:
    """Say an activation as a parameter of the layer before it; None if it cannot be one."""
    given = layer.parameters
    if layer.kind == "ReLU":
        slope = given.get(0, 0.0)
        if not slope:
            return {ACTIVATION: RELU}
        return {ACTIVATION: LEAKY_RELU, ACTIVATION_PARAMETERS: _floats(slope)}
    if layer.kind == "Clip":
        return {ACTIVATION: CLIP, ACTIVATION_PARAMETERS: _floats(given[0], given[1])}
    if layer.kind == "Sigmoid":
        return {ACTIVATION: SIGMOID}
    if layer.kind == "HardSwish":
        return {ACTIVATION: HARD_SWISH, ACTIVATION_PARAMETERS: _floats(given[0], given[1])}
    return None


def _floats(*values: Value) -> tuple[float, ...]:
    return tuple(float(value) for value in values if not isinstance(value, tuple))


def split(layers: Sequence[Layer], outputs: Mapping[str, str]) -> list[Layer]:
    """Give each reader of a blob a blob of its own.

    Args:
        outputs: names by which blobs are read from outside, and the blobs that they stand for.

    Returns:
        The layers, among which blobs have the names of the outputs.
    """
    readers = Counter(name for layer in layers for name in layer.bottoms)
    readers.update(outputs.values())
    parts = {blob: [f"{blob}_{i}" for i in range(count)] for blob, count in readers.items() if count > 1}
    renamed: dict[str, str] = {}
    for name, blob in outputs.items():
        if blob in parts:
            parts[blob][parts[blob].index(_free(parts[blob], outputs))] = name
        else:
            renamed[blob] = name
    left = {blob: iter([name for name in names if name not in outputs]) for blob, names in parts.items()}
    found: list[Layer] = []
    for layer in layers:
        bottoms = tuple(next(left[name]) if name in left else name for name in layer.bottoms)
        tops = tuple(renamed.get(name, name) for name in layer.tops)
        found.append(replace(layer, bottoms=bottoms, tops=tops))
        read = [blob for blob in layer.tops if blob in parts]
        found += [Layer("Split", f"{blob}_split", (blob,), tuple(parts[blob])) for blob in read]
    return found


def _free(names: Sequence[str], taken: Mapping[str, str]) -> str:
    """Give the last name that is none of an output."""
    return next(name for name in reversed(names) if name not in taken)


def parameters_of(layers: Sequence[Layer]) -> str:
    """Write the text file."""
    blobs = sum(len(layer.tops) for layer in layers)
    return "\n".join((str(MAGIC), f"{len(layers)} {blobs}", *map(_line, layers), ""))


def write_weights(layers: Sequence[Layer], file: BinaryIO) -> None:
    """Write the file of weights."""
    for layer in layers:
        for weights in layer.weights:
            if weights.tagged:
                file.write(RAW_FLOAT32)
            file.write(np.ascontiguousarray(weights.values, "<f4").tobytes())


def _line(layer: Layer) -> str:
    counts = f"{len(layer.bottoms)} {len(layer.tops)}"
    return " ".join((layer.kind, layer.name, counts, *layer.bottoms, *layer.tops, *_entries(layer)))


def _entries(layer: Layer) -> Iterator[str]:
    for number, value in sorted(layer.parameters.items()):
        if isinstance(value, tuple):
            yield f"{ARRAY_KEY - number}={len(value)},{','.join(map(_number, value))}"
        else:
            yield f"{number}={_number(value)}"


def _number(value: float) -> str:
    """Write a number so that ncnn reads the same: with an exponent, it is a float; 15 characters at most."""
    return str(value) if isinstance(value, int) else f"{np.float32(value):.8e}"
