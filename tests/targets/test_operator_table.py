"""Tables of operators are read as they were written, and hold operators that ONNX or the library knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.targets.operator_table import FOLDER, OperatorTable, TypedOperators, operator_table

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
OF_OLD_FILES = {"ImageScaler", "ParametricSoftplus", "ScaledTanh"}  # which onnx-tensorrt still reads


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_whole_and_its_operators_are_onnxs(name: str) -> None:
    onnx = pytest.importorskip("onnx")
    table = operator_table(name)
    assert table.title
    assert table.source
    listed = [operator for group in table.typed for operator in group.operators]
    assert len(listed) == len(set(listed))
    unknown = {operator for operator in listed if not onnx.defs.has(operator, "")}
    assert unknown <= OF_OLD_FILES
    types = set(map(str.lower, onnx.TensorProto.DataType.keys()))
    assert {kind for group in table.typed for kind in group.types} <= types


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = OperatorTable(
        "A 1", "asked", (TypedOperators((), ("Add",)), TypedOperators(("float",), ("Exp",)))
    )
    path = tmp_path / "a.json"
    path.write_text(table.to_json())
    assert OperatorTable.read(path) == table
    assert table.types_of == {"Add": frozenset(), "Exp": frozenset({"float"})}


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_as_it_is_written(name: str) -> None:
    path = FOLDER / f"{name}.json"
    assert OperatorTable.read(path).to_json() == path.read_text()
