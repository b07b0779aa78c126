"""Read the precision that each layer of a network computes in from TensorRT's engine inspector."""

from __future__ import annotations

from collections.abc import Sequence

from edgeseg.engines.tensorrt.layer_information import engine_layers
from edgeseg.graph.view import Layer


def precisions_of(information: str, layers: Sequence[Layer]) -> dict[str, str]:
    """Read the precision of the layers that the inspector names.

    Args:
        information: its JSON, of an engine built with detailed verbosity.

    Returns:
        `int8`, `fp16`, `bf16` or `fp32` by layer, joined by " and " where the nodes of one differ. Empty if
        the engine tells names alone.
    """
    layer_of = {node: layer.name for layer in layers for node in layer.nodes}
    found: dict[str, set[str]] = {}
    for entry in engine_layers(information):
        names = {layer_of[node] for node in entry.nodes if node in layer_of}
        for name in names if entry.precision else ():
            found.setdefault(name, set()).add(entry.precision)
    return {name: " and ".join(sorted(precisions)) for name, precisions in found.items()}
