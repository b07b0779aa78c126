"""What an engine says of the nodes of the graph that it was built from: their modules, and their work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from edgeseg.records import Range, Ranged, from_json_value, to_json_value

NODES_NAME = "nodes.json"  # of an engine
AROUND = "(before and after the network)"  # stands for a module where a node is of none
_MOST = 2**62
_FUSED = 8  # nodes at most between a convolution and the last one that a library fuses into it

Amount = Annotated[int, Range(0, _MOST)]


@dataclass(frozen=True)
class GraphNode(Ranged):
    """A node of the graph that was given to an engine's library.

    Attributes:
        name: "" where the graph has none.
        module: of the PyTorch network, or AROUND; "" where the graph does not say.
        inputs, outputs: names of what it reads and computes, constants left out.
        flop: multiplications and additions, as `work.flop_of`; None where shapes depend on the data.
        data_bytes: of its inputs and outputs, each once; None likewise.
        weight_bytes: of its constants, as they are stored.
        weight_shape: of a convolution's weights.
    """

    name: str
    operator: str
    module: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    flop: Amount | None
    data_bytes: Amount | None
    weight_bytes: Amount
    weight_shape: tuple[Amount, ...] | None = None


@dataclass(frozen=True)
class NodeTable:
    """The nodes of a graph, in its order."""

    nodes: tuple[GraphNode, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, GraphNode]:
        """Give nodes by their own names and by those of their outputs; the own ones come first."""
        return {**self._by_output, **{node.name: node for node in self.nodes if node.name}}

    @cached_property
    def _by_output(self) -> Mapping[str, GraphNode]:
        return {name: node for node in self.nodes for name in node.outputs if name}

    def computing(self, node: GraphNode) -> GraphNode:
        """Go back from an activation, or what else a library fuses, to what it was fused into.

        Returns:
            The nearest node with arithmetic, itself or before it by first inputs; `node` if there is none.
        """
        found: GraphNode | None = node
        for _ in range(_FUSED):
            if found is None or found.flop != 0:
                break
            found = self._by_output.get(next(iter(found.inputs), ""))
        return node if found is None or found.flop == 0 else found

    def to_json(self) -> str:
        """Write as JSON."""
        return json.dumps(to_json_value(self), separators=(",", ":")) + "\n"

    @classmethod
    def from_json_value(cls, value: Any) -> NodeTable:
        """Read what `to_json` wrote, as `json.loads` returns it. Raises SpecError."""
        return from_json_value(cls, value)
