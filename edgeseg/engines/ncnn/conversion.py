"""Convert an ONNX graph to a network of ncnn, node by node, by the rules of `operators`.

Blobs have no batch axis: images of a batch run one after another. What only weighs and mixes channels is held
back until something else reads it, and then computed at once: a camera's image is brought into order, scaled
and shifted by one layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.engines.ncnn.network import INPUT, Layer, Value, Weights, fused, split
from edgeseg.engines.preflight import Finding
from edgeseg.errors import EngineError
from edgeseg.graph.modules import module_of
from edgeseg.graph.view import name_of
from edgeseg.manifest import SOURCE_KEY

IMAGE_AXES = 4  # (N, H, W, C) or (N, C, H, W)
NAME = re.compile(r"\S{1,200}")  # what ncnn reads as a layer's name
ELSEWHERE = "build it for another backend, such as onnxruntime or mnn"


@dataclass(frozen=True)
class Held:
    """What stands for a value of the graph: a blob, whose channels are still to be weighed and mixed.

    Attributes:
        mix: (C, B) of the blob's B channels; (C,) weighs each alone; None leaves them as they are.
        shift: (C,) is added.
        channels_last: whether the graph's value is (N, H, W, C); blobs never are.
        labels: whether it is the number of the blob's largest channel.
        viewed: (N, C, H, W) of the blob, if the graph's value is a view of it as groups of channels.
    """

    blob: str
    mix: NDArray[np.float64] | None = None
    shift: NDArray[np.float64] | None = None
    channels_last: bool = False
    labels: bool = False
    viewed: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Converted:
    """A network of ncnn, and which of its outputs are scores whose largest is to be found."""

    layers: Sequence[Layer]
    labels: tuple[str, ...]


Convert = Callable[["Conversion", ir.Node], None]
"""Of each operator: adds layers to a conversion and says what stands for the node's output."""


class Conversion:
    """A network that is being made.

    Args:
        graph: with its types inferred, and sizes that are all fixed.
    """

    def __init__(self, graph: ir.Graph) -> None:
        (image,) = graph.inputs
        self.image = name_of(image)
        self.layers = [Layer(INPUT, self.image, (), (self.image,))]
        self._names = {self.image}
        self._held = {self.image: Held(self.image, channels_last=True)}

    def shape(self, node: ir.Node, value: ir.Value | None) -> tuple[int, ...]:
        """Give a value's shape. Raises EngineError where it is not known."""
        if value is None or value.shape is None:
            self.refuse(node, "its shapes are not known")
        sizes = tuple(size for size in value.shape if isinstance(size, int))
        if len(sizes) != len(value.shape):
            self.refuse(node, "its shapes depend on the data")
        return sizes

    def constant(self, value: ir.Value | None) -> NDArray[Any] | None:
        """Give a constant; None of what is computed, or left out."""
        tensor = None if value is None else ir.convenience.get_const_tensor(value)
        return None if tensor is None else tensor.numpy()

    def held(self, node: ir.Node, value: ir.Value | None) -> Held:
        """Give what stands for a computed value."""
        if (found := self._held.get(name_of(value))) is None:
            self.refuse(node, "it computes with constants in a way that edgeseg does not convert")
        return found

    def hold(self, node: ir.Node, held: Held) -> None:
        """Say what stands for a node's output."""
        self._held[name_of(node.outputs[0])] = held

    def take(self, node: ir.Node, index: int = 0) -> str:
        """Give the blob that is an input, (C, H, W), all its channels in order and weighed."""
        value = node.inputs[index]
        return self._settled(node, value)

    def _settled(self, node: ir.Node, value: ir.Value | None) -> str:
        held = self.held(node, value)
        if held.channels_last or held.labels or held.viewed:
            self.refuse(
                node, "it computes with labels, or with channels that come last or are viewed in groups"
            )
        if held.mix is None and held.shift is None:
            return held.blob
        blob = self._mixed(name_of(value), held)
        self._held[name_of(value)] = Held(blob)
        return blob

    def _mixed(self, name: str, held: Held) -> str:
        count = len(next(array for array in (held.mix, held.shift) if array is not None))
        mix = np.ones(count) if held.mix is None else held.mix
        shift = np.zeros(count) if held.shift is None else held.shift
        bias = Weights(shift.astype(np.float32))
        if mix.ndim == 1:
            scale = Weights(mix.astype(np.float32))
            return self.add("Scale", name, (held.blob,), {0: count, 1: 1}, (scale, bias))
        weights = Weights(mix.astype(np.float32), tagged=True)
        parameters: dict[int, Value] = {0: count, 1: 1, 5: 1, 6: mix.size}
        return self.add("Convolution", name, (held.blob,), parameters, (weights, bias))

    def add(
        self,
        kind: str,
        name: str,
        bottoms: Sequence[str],
        parameters: Mapping[int, Value],
        weights: Sequence[Weights] = (),
    ) -> str:
        """Add a layer, and give the name of its blob."""
        blob = str(len(self.layers))
        if name in self._names or not NAME.fullmatch(name):
            name = f"layer_{blob}"
        self._names.add(name)
        self.layers.append(Layer(kind, name, tuple(bottoms), (blob,), parameters, tuple(weights)))
        return blob

    def emit(
        self,
        node: ir.Node,
        kind: str,
        bottoms: Sequence[str],
        parameters: Mapping[int, Value] | None = None,
        weights: Sequence[Weights] = (),
    ) -> None:
        """Add the layer that computes a node's output."""
        name = node.name or name_of(node.outputs[0])
        self.hold(node, Held(self.add(kind, name, bottoms, parameters or {}, weights)))

    def refuse(self, node: ir.Node, problem: str) -> NoReturn:
        """Raise EngineError that names a node."""
        source = node.metadata_props.get(SOURCE_KEY, "")
        finding = Finding(node.name or "", node.op_type, source, module_of(node), f"{problem}; {ELSEWHERE}")
        raise EngineError(f"ncnn has no layer for {finding}")

    def finished(self, graph: ir.Graph) -> Converted:
        """Give the network, whose outputs have the graph's names."""
        blobs: dict[str, str] = {}
        labels: list[str] = []
        for output in graph.outputs:
            name, node = name_of(output), output.producer()
            assert node is not None  # an output that is an input is none of a network's
            held = self.held(node, output)
            if held.labels:
                labels.append(name)
                self._held[name] = replace(held, labels=False)
            elif len(self.shape(node, output)) != IMAGE_AXES:
                self.refuse(node, "its output is no (N, C, H, W)")
            blobs[name] = self._settled(node, output)
        layers = split(fused(self.layers, tuple(blobs.values())), blobs)
        return Converted(layers, tuple(labels))


def converted(graph: ir.Graph) -> Converted:
    """Convert a graph.

    Raises:
        EngineError: naming the first node that ncnn has no layers for.
    """
    from edgeseg.engines.ncnn.operators import OPERATORS

    conversion = Conversion(graph)
    for node in graph:
        convert = OPERATORS.get(node.op_type) if not node.domain else None
        if convert is None:
            conversion.refuse(node, "edgeseg does not convert it")
        convert(conversion, node)
    return conversion.finished(graph)
