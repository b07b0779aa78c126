"""What all backends' times of nodes have in common."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgeseg.engines import registry
from edgeseg.engines.node_times import (
    NodeTime,
    best_gflops,
    flop_of_all,
    gflops,
    medians,
    module_of,
    profile_nodes,
    read_table,
    with_pixels,
)
from edgeseg.errors import EngineError, UsageError
from edgeseg.manifest import read_manifest, sha256_of
from edgeseg.nodes.table import NODES_NAME, GraphNode, NodeTable
from tests.runtime.tiny_models import labels_engine

CONV = GraphNode("conv", "Conv", "stem.conv", ("x",), ("a",), 500, 10, 10)
ADD = GraphNode("add", "Add", "stem", ("a",), ("b",), 0, 10, 0)
UNKNOWN = GraphNode("einsum", "Einsum", "head", ("b",), ("y",), None, None, 0)


def test_a_backend_without_one_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_manifest(labels_engine(tmp_path / "engine"))
    monkeypatch.setattr(registry, "has_part", lambda backend, part: False)
    with pytest.raises(UsageError, match="ONNX Runtime tells no times of single layers"):
        profile_nodes(tmp_path / "engine", manifest, [np.zeros((1, 4, 4, 3), np.uint8)], runs=1)


def test_what_is_fused_is_of_the_module_that_computes_most() -> None:
    assert module_of([ADD, CONV]) == "stem.conv"
    assert module_of([]) is None
    assert module_of([dataclasses.replace(ADD, module="")]) is None


def test_arithmetic_adds_up_where_all_of_it_is_known() -> None:
    assert flop_of_all([CONV, ADD]) == 500
    assert flop_of_all([CONV, UNKNOWN]) is None
    assert flop_of_all([]) is None


def test_a_node_that_a_run_left_out_took_no_time_in_it() -> None:
    assert medians([{"a": 1.0, "b": 5.0}, {"a": 3.0}, {"a": 2.0}]) == {"a": 2.0, "b": 0.0}


def test_int8_is_what_computes_and_pixels_are_not() -> None:
    def timed(operator: str, flop: int) -> NodeTime:
        return NodeTime(operator, operator, "int8", 1.0, None, flop, None)

    moved = (timed("Cast", 0), timed("Transpose", 0))
    assert [node.precision for node in with_pixels(moved)] == ["uint8", "uint8"]
    assert [node.precision for node in with_pixels((*moved, timed("QLinearConv", 9)))] == [
        *("uint8", "int8", "int8"),
    ]


def test_a_product_of_matrices_has_two_operations_an_element_of_its_cube() -> None:
    assert gflops(1000, 0.5) == pytest.approx(4.0)
    assert best_gflops(lambda: None, 10) > 0


def test_an_engine_without_a_table_has_an_empty_one(tmp_path: Path) -> None:
    folder = labels_engine(tmp_path / "engine")
    assert read_table(folder, read_manifest(folder)) == NodeTable()


@pytest.mark.parametrize("text", ["{", '{"nodes": [{}]}', "[]"])
def test_a_damaged_table_is_refused(tmp_path: Path, text: str) -> None:
    folder = labels_engine(tmp_path / "engine")
    (folder / NODES_NAME).write_text(text)
    manifest = read_manifest(folder)
    files = {**manifest.files, NODES_NAME: sha256_of(folder / NODES_NAME)}
    with pytest.raises(EngineError, match="does not say what nodes are"):
        read_table(folder, dataclasses.replace(manifest, files=files))


def test_every_backend_has_a_profiler_of_layers_but_the_browser() -> None:
    assert [name for name in registry.backends() if not registry.has_part(name, "layers")] == ["web"]
