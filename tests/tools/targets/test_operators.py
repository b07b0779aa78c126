"""The tables of operators are made by asking the library, and differences are named."""

from __future__ import annotations

import onnx
import pytest

from edgeseg.targets.operator_table import FOLDER
from tools.targets import operators
from tools.targets.libraries import LIBRARIES, Library


def _takes_relu_alone(model: bytes) -> None:
    (node,) = onnx.load_model_from_string(model).graph.node
    if node.op_type != "Relu":
        raise ValueError("no such operator" if node.op_type != "Elu" else "the case is odd")


TOY = Library(
    "Toy",
    "numpy",
    "toy.json",
    "asked",
    _takes_relu_alone,
    lambda name: ("float",),
    refusal="no such operator",
)


@pytest.mark.slow
def test_a_table_holds_what_the_library_opened() -> None:
    table = operators.table_of(TOY)
    assert table.title.startswith("Toy ")
    assert table.types_of["Relu"] == {"float"}
    assert "Elu" in table.types_of  # an error about a case is none about the operator
    assert "Conv" not in table.types_of
    assert "RandomNormal" in table.types_of  # ONNX has no case of it


def test_differences_are_named() -> None:
    written = {"Add": frozenset({"float"}), "Sub": frozenset[str]()}
    found = {"Add": frozenset({"float", "int8"}), "Mul": frozenset[str]()}
    assert operators.differences(written, found) == [
        "  Add: written float, found float int8",
        "  Mul: written refused, found any type",
        "  Sub: written any type, found refused",
    ]
    assert operators.differences(written, written) == []


def test_each_librarys_table_is_written() -> None:
    assert all((FOLDER / library.file).is_file() for library in LIBRARIES.values())
