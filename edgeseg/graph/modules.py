"""Name the module of the PyTorch network that a node of the graph is from, whatever it computes in."""

from __future__ import annotations

import re

import onnx_ir as ir

from edgeseg.graph.view import HEAVY, WEIGHT, name_of
from edgeseg.manifest import MODULE_KEY

_CONVERSIONS = ("Cast", "DequantizeLinear")  # by which a node reads weights that are stored in another type
_WEIGHT_NAME = re.compile(  # of a parameter below an exported program, and what conversions add to its name
    r"network\.(.+)\.weight(?:\.int8|\.fp16_*)?"
)


def module_of(node: ir.Node) -> str:
    """Name a node's module: by its weights, where it has any, for it may stand for what follows it, too.

    Returns:
        "" where the graph does not say.
    """
    weight = node.inputs[WEIGHT] if node.op_type in HEAVY and len(node.inputs) > WEIGHT else None
    named = None if weight is None else _WEIGHT_NAME.fullmatch(name_of(stored(weight)))
    return node.metadata_props.get(MODULE_KEY, "") if named is None else named[1]


def count_to_module(node: ir.Node, origin: ir.Node | None) -> None:
    """Note on a node that was put in that it is of the module of another, where that has one."""
    if origin is not None and (module := module_of(origin)):
        node.metadata_props[MODULE_KEY] = module


def stored(value: ir.Value) -> ir.Value | None:
    """Give the constant that a value is, or is made of by changing its type alone; None of computed ones."""
    if value.is_initializer():
        return value
    maker = value.producer()
    if maker is None or maker.op_type not in _CONVERSIONS or maker.inputs[0] is None:
        return None
    return stored(maker.inputs[0])
