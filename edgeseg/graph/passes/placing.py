"""Put a ready graph in the place of the nodes that stand for it."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from edgeseg.graph.passes.conditions import UnfitGraphError, names_of
from edgeseg.graph.view import subgraphs

DOMAIN, OPERATOR = "edgeseg.ready", "ReadyGraph"
MARK = "ready"  # before a name that both graphs have


class PlaceGraph(ir.passes.InPlacePass):
    """Replace the nodes that stand for outputs of a graph by the graph, which is used up.

    Args:
        placed: takes what those nodes take; its outputs are counted from 0.

    Requires:
        at least one such node, all of the same input; both graphs of one version of ONNX's operators.

    Ensures:
        no such node.
    """

    def __init__(self, placed: ir.Model) -> None:
        """Take the graph."""
        super().__init__()
        self._placed = placed

    def requires(self, model: ir.Model) -> None:
        """Check for the nodes, and that both graphs mean the same by an operator's name."""
        stands = list(_stands(model))
        if len({node.inputs[0] for node in stands}) != 1:
            raise UnfitGraphError("one ready graph must be read, and on one image")
        ours, theirs = model.opset_imports.get(""), self._placed.opset_imports.get("")
        if ours != theirs:
            raise UnfitGraphError(f"the graphs are of opset {ours} and {theirs}")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Move the nodes and constants over."""
        stands, graph = list(_stands(model)), self._placed.graph
        self._rename(names_of(model.graph), {node.name for node in model.graph if node.name})
        image = stands[0].inputs[0]
        assert image is not None
        first = min(stands, key=list(model.graph).index)
        ir.convenience.replace_all_uses_with(graph.inputs[0], image)
        outputs = [image if value is graph.inputs[0] else value for value in graph.outputs]
        graph.outputs.clear()
        for name, value in list(graph.initializers.items()):
            del graph.initializers[name]
            model.graph.initializers[name] = value
        nodes = list(graph)
        graph.remove(nodes)
        model.graph.insert_before(first, nodes)
        for node in stands:
            _replace(model.graph, node, outputs[node.attributes.get_int("output")])
        del model.opset_imports[DOMAIN]
        return ir.passes.PassResult(model, True)

    def ensures(self, model: ir.Model) -> None:
        """Check that no node stands for a graph."""
        if any(_stands(model)):
            raise ir.passes.PostconditionError("a node still stands for a graph")

    def _rename(self, values: set[str], nodes: set[str]) -> None:
        """Give other names to what is named as something in the graph that it goes into."""
        graph = self._placed.graph
        own = list(_values(graph))
        taken = values | {value.name for value in own if value.name}
        for value in own:
            if value.name in values and value not in graph.inputs:
                value.name = _free(value.name, taken)
                taken.add(value.name)
        for node in graph.all_nodes():
            if node.name in nodes:
                node.name = _free(node.name, nodes)
                nodes.add(node.name)


def _replace(graph: ir.Graph, node: ir.Node, chosen: ir.Value) -> None:
    """Read a value in a node's place; what was an output of the graph keeps its name."""
    stood = node.outputs[0]
    if stood.is_graph_output():
        named = ir.node("Identity", [chosen])
        graph.insert_before(node, named)
        chosen, name = named.outputs[0], stood.name
        ir.convenience.replace_all_uses_with(stood, chosen, replace_graph_outputs=True)
        stood.name = None
        chosen.name, chosen.type, chosen.shape = name, stood.type, stood.shape
    else:
        ir.convenience.replace_all_uses_with(stood, chosen)
    graph.remove(node, safe=True)


def _stands(model: ir.Model) -> Iterator[ir.Node]:
    return (node for node in model.graph if (node.domain, node.op_type) == (DOMAIN, OPERATOR))


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    """Walk all values with a name, those of loop and branch bodies included."""
    found = (
        *graph.inputs,
        *graph.initializers.values(),
        *(value for node in graph for value in node.outputs),
    )
    yield from (value for value in found if value.name)
    for node in graph:
        for inner in subgraphs(node):
            yield from _values(inner)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{MARK}.{name}"
    return name
