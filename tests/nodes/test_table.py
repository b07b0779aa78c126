"""What an engine says of its graph's nodes."""

from __future__ import annotations

import json

import pytest

from edgeseg.errors import SpecError
from edgeseg.nodes.table import GraphNode, NodeTable


def node(name: str, reads: str, gives: str, *, flop: int | None = 0, module: str = "") -> GraphNode:
    return GraphNode(name, "Op", module, (reads,), (gives,), flop, 100, 10)


CONV = node("conv", "x", "a", flop=50, module="stem.conv")
ADD = node("add", "a", "b")
RELU = node("relu", "b", "y", module="stem.relu")
TABLE = NodeTable((CONV, ADD, RELU))


def test_nodes_are_found_by_their_names_and_by_those_of_what_they_compute() -> None:
    assert TABLE.by_name["relu"] is TABLE.by_name["y"] is RELU
    assert "x" not in TABLE.by_name


def test_a_nodes_own_name_comes_before_that_of_anothers_output() -> None:
    confusing = node("y", "y", "z")
    assert NodeTable((*TABLE.nodes, confusing)).by_name["y"] is confusing


def test_what_is_fused_leads_back_to_the_node_that_computes() -> None:
    assert TABLE.computing(RELU) is CONV
    assert TABLE.computing(CONV) is CONV


def test_a_node_whose_arithmetic_depends_on_the_data_computes() -> None:
    unknown = node("conv", "x", "a", flop=None)
    assert NodeTable((unknown, RELU)).computing(unknown) is unknown


def test_a_node_with_nothing_before_it_stays() -> None:
    assert NodeTable((RELU,)).computing(RELU) is RELU
    around = node("loop", "a", "a")
    assert NodeTable((around,)).computing(around) is around


def test_json_gives_the_same_back() -> None:
    assert NodeTable.from_json_value(json.loads(TABLE.to_json())) == TABLE


def test_a_damaged_table_is_refused() -> None:
    value = json.loads(TABLE.to_json())
    value["nodes"][0]["flop"] = -1
    with pytest.raises(SpecError, match=r"nodes\[0\].flop must be 0 to"):
        NodeTable.from_json_value(value)
