"""Find nodes whose operator, type or parameters a library or an accelerator does not take."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from edgeseg.manifest import MODULE_KEY, SOURCE_KEY
from edgeseg.targets.findings import Place
from edgeseg.targets.operator_table import OperatorTable
from edgeseg.targets.quantities import attribute_of, numbers_of
from edgeseg.targets.target import Between, ConstantInput, OneOf, Rule

OTHERWISE = "compute it by other operators, or outside the network"
CAST = "cast it to float32 before, or compute it outside the network"


def place_of(node: ir.Node) -> Place:
    """Say where a node stands, in the graph and in PyTorch."""
    noted = node.metadata_props
    return Place(node.name or "", node.op_type, noted.get(MODULE_KEY, ""), noted.get(SOURCE_KEY, ""))


def operator_fault(node: ir.Node, table: OperatorTable, taker: str) -> str | None:
    """Say why an operator is not taken; None if it is, or is none of ONNX's own."""
    if node.domain or node.op_type in table.types_of:
        return None
    return f"{taker} has no {node.op_type}"


def type_fault(node: ir.Node, table: OperatorTable, taker: str) -> str | None:
    """Say why the type of a node's first input is not taken; None if it is, or is not known."""
    taken = frozenset() if node.domain else table.types_of.get(node.op_type, frozenset())
    value = node.inputs[0] if node.inputs else None
    if not taken or value is None or value.dtype is None:
        return None
    found = value.dtype.name.lower()
    return None if found in taken else f"{taker} takes no {found} in {node.op_type}"


def parameter_fault(node: ir.Node, rules: Iterable[Rule], taker: str) -> str | None:
    """Say which parameter of a node is not taken, and what is; None if all are, or are not known."""
    for rule in rules:
        if node.domain or node.op_type not in rule.operators:
            continue
        problem = _problem(node, rule)
        if problem is not None:
            return f"{taker} takes {node.op_type} {problem}"
    return None


def _problem(node: ir.Node, rule: Rule) -> str | None:
    if not isinstance(rule, ConstantInput) and not _holds(node, rule.when):
        return None
    if isinstance(rule, Between):
        return _between(node, rule)
    return _one_of(node, rule) if isinstance(rule, OneOf) else _constant(node, rule)


def _between(node: ir.Node, rule: Between) -> str | None:
    numbers = numbers_of(node, rule.quantity)
    if all(rule.low <= number <= rule.high and number == int(number) for number in numbers):
        return None
    span = f"of {rule.low}" if rule.low == rule.high else f"from {rule.low} to {rule.high}"
    where = "".join(f" where {name} is {value}" for name, value in rule.when)
    found = " x ".join(f"{float(number):g}" for number in numbers)
    return f"with {rule.quantity} {span}{where}, not {found}"


def _one_of(node: ir.Node, rule: OneOf) -> str | None:
    found = attribute_of(node, rule.attribute, rule.default)
    if found in rule.values:
        return None
    return f"with {rule.attribute} {' or '.join(rule.values)}, not {found}"


def _constant(node: ir.Node, rule: ConstantInput) -> str | None:
    value = node.inputs[rule.index] if len(node.inputs) > rule.index else None
    if value is None or ir.convenience.get_const_tensor(value) is not None:
        return None
    maker = value.producer()
    if maker is not None and maker.op_type == "DequantizeLinear":  # weights in int8
        return None
    return f"with a constant for its input {rule.index + 1}"


def _holds(node: ir.Node, when: Iterable[tuple[str, str]]) -> bool:
    return all(attribute_of(node, name) == value for name, value in when)
