"""Nodes follow what they read, in bodies too; what has no such order stays."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from edgeseg.graph.order import sort_nodes


def graph_of(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    """Give a graph from x to y."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    return helper.make_graph(list(nodes), "graph", [x], [y])


def branch(reads: str) -> onnx.NodeProto:
    """Give a node whose bodies read a tensor of the graph around them."""
    made = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])
    body = helper.make_graph([helper.make_node("Neg", [reads], ["z"])], "body", [], [made])
    return helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)


def test_each_node_follows_what_it_and_its_bodies_read() -> None:
    graph = graph_of(
        branch("b"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Cast", ["a"], ["c"], to=TensorProto.BOOL),
        helper.make_node("Abs", ["x"], ["a"]),
    )
    sort_nodes(graph)
    kinds = [node.op_type for node in graph.node]
    assert kinds[0] == "Abs"
    assert kinds[-1] == "If"
    assert sorted(kinds[1:3]) == ["Cast", "Relu"]


def test_sorted_nodes_and_those_in_a_cycle_stay() -> None:
    for nodes in (
        [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Relu", ["a"], ["y"])],
        [helper.make_node("Abs", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])],
    ):
        graph = graph_of(*nodes)
        before = graph.SerializeToString()
        sort_nodes(graph)
        assert graph.SerializeToString() == before
