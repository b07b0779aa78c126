"""Tidy a freshly traced graph: no host paths, no tool chatter, every node with its origin.

Of what the exporter notes on each node two things stay, as metadata: the PyTorch source line it comes from
(`models/unet.py:60`) and the module (`down1.maxpool_conv.1`; the class of the network, such as `MaskRCNN`, of
what it computes by itself).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import onnx_ir as ir
from onnx_ir.passes import common

import edgeseg
from edgeseg.manifest import MODULE_KEY, SOURCE_KEY

PACKAGE_FOLDER = Path(edgeseg.__file__).parent
_STACK_KEY = "pkg.torch.onnx.stack_trace"
_SCOPES_KEY = "pkg.torch.onnx.name_scopes"
_CLASSES_KEY = "pkg.torch.onnx.class_hierarchy"  # of the same modules
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_FOREIGN = re.compile(r"[/\\](torch|onnxscript)[/\\]")
_NETWORK = "network"  # the module of a program that holds the network


class Tidy(ir.passes.InPlacePass):
    """Clean a graph as PyTorch's exporter leaves it.

    Requires:
        nothing.

    Ensures:
        no documentation, and no metadata but the origins.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Note the origins, and clear everything else."""
        origins = {node: _origin(node) for node in model.graph.all_nodes()}
        common.ClearMetadataAndDocStringPass()(model)
        for node, origin in origins.items():
            node.metadata_props.update(origin)
            for value in node.outputs:
                value.metadata_props.clear()
        for value in (*model.graph.inputs, *model.graph.initializers.values()):
            value.metadata_props.clear()
            if value.const_value is not None:
                value.const_value.metadata_props.clear()
        model.metadata_props.clear()
        model.graph.metadata_props.clear()
        model.graph.name = "edgeseg"
        model.producer_name, model.producer_version = "edgeseg", edgeseg.__version__
        model.domain = model.doc_string = None
        return ir.passes.PassResult(model, True)

    def ensures(self, model: ir.Model) -> None:
        """Check what is noted on nodes."""
        noted = {key for node in model.graph.all_nodes() for key in node.metadata_props}
        if others := sorted(noted - {SOURCE_KEY, MODULE_KEY}):
            raise ir.passes.PostconditionError(f"nodes still have metadata: {', '.join(others)}")


def _origin(node: ir.Node) -> dict[str, str]:
    origin = {}
    if source := _source_line(node.metadata_props.get(_STACK_KEY, "")):
        origin[SOURCE_KEY] = source
    scopes, classes = (
        ast.literal_eval(node.metadata_props.get(key, "[]")) for key in (_SCOPES_KEY, _CLASSES_KEY)
    )
    if scopes[:-1] and scopes[-2]:  # the last scope is the operator itself
        origin[MODULE_KEY] = _module(scopes[-2], classes[-2] if classes[:-1] else "")
    return origin


def _module(scope: str, class_name: str) -> str:
    """Name a module as its network does, which has no name of its own: its class stands for it."""
    if scope == _NETWORK:
        return class_name.rpartition(".")[2] or scope
    return scope.removeprefix(f"{_NETWORK}.")


def _source_line(stack: str) -> str | None:
    """Name the innermost frame outside PyTorch: relative to this package, or by the file's name alone."""
    own = [(Path(file), line) for file, line in _FRAME.findall(stack) if not _FOREIGN.search(file)]
    if not own:
        return None
    file, line = own[-1]
    inside = file.is_relative_to(PACKAGE_FOLDER)
    return f"{file.relative_to(PACKAGE_FOLDER).as_posix() if inside else file.name}:{line}"
