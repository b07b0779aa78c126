"""Compute dilated convolutions as plain ones on the phases of their input.

A convolution of dilation d reads rows y, y + d, y + 2d, ...: those of one remainder of y by d, and never
others. The d x d phases of the input (`rows i, i + d, ..; columns j, j + d, ..`) are therefore convolved each
for itself without dilation, as d x d images of a batch, and put back. Libraries have fast kernels for plain
convolutions only, such as Winograd's.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeseg.graph.passes.chain import Chain
from edgeseg.graph.passes.speed import Site, SpeedPass, static_shape
from edgeseg.graph.view import FLOAT, name_of

LEAST_OPSET = 13  # since which Slice takes what it is told as inputs
_PLANE = 2  # axes of an image


class DilatedPhases(SpeedPass):
    """Give dilated convolutions the phases of their input.

    Requires:
        types that are known. Only convolutions are changed that are of two dimensions in float32 and of a
        stride of 1, of one dilation for both axes, of an input whose size is fixed, and padded by multiples
        of the dilation.
    """

    title = "dilated convolutions by phases"

    def sites(self, model: ir.Model) -> list[Site]:
        """List the dilated convolutions."""
        graph = model.graph
        return [Site(name_of(node.outputs[0]), (node,)) for node in graph if _can_be_in_phases(node, graph)]

    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Put the phases of one convolution in its place."""
        (node,) = site.nodes
        _in_phases(graph, node)


def _in_phases(graph: ir.Graph, node: ir.Node) -> None:
    """Put the phases of a dilated convolution in its place."""
    image, output = node.inputs[0], node.outputs[0]
    shape, kept = static_shape(image), static_shape(output)
    assert image is not None
    assert shape is not None
    assert kept is not None
    batch, channels, height, width = shape
    dilation = node.attributes.get_ints("dilations", ())[0]
    pads = [side // dilation for side in node.attributes.get_ints("pads", (0,) * 4)]
    rows, columns = -(-height // dilation), -(-width // dilation)  # of a phase
    chain = Chain(graph, node, f"{name_of(output)}.phases")
    value = image
    if (rows * dilation, columns * dilation) != (height, width):
        beyond = [0] * 6 + [rows * dilation - height, columns * dilation - width]
        value = chain.add("Pad", [value], [("beyond", beyond)])
    value = chain.add("Reshape", [value], [("cells", [batch, channels, rows, dilation, columns, dilation])])
    value = chain.add("Transpose", [value], perm=[3, 5, 0, 1, 2, 4])
    images = dilation * dilation * batch
    value = chain.add("Reshape", [value], [("phases", [images, channels, rows, columns])])
    group = node.attributes.get_int("group", 1)
    value = chain.add("Conv", [value, *node.inputs[1:]], group=group, pads=pads)
    rows, columns = (
        side + pads[axis] + pads[axis + _PLANE] - _kernel(node)[axis] + 1
        for axis, side in enumerate((rows, columns))
    )
    value = chain.add("Reshape", [value], [("apart", [dilation, dilation, batch, kept[1], rows, columns])])
    value = chain.add("Transpose", [value], perm=[2, 3, 4, 0, 5, 1])
    whole = [batch, kept[1], rows * dilation, columns * dilation]
    value = chain.add("Reshape", [value], [("together", whole)])
    if whole[_PLANE:] != list(kept[_PLANE:]):
        ends = [("from", [0, 0]), ("to", list(kept[_PLANE:])), ("axes", [2, 3])]
        value = chain.add("Slice", [value], ends)
    chain.finish(value)


def _kernel(node: ir.Node) -> tuple[int, int]:
    shape = static_shape(node.inputs[1])
    assert shape is not None
    return shape[-2], shape[-1]


def _can_be_in_phases(node: ir.Node, graph: ir.Graph) -> bool:
    """Whether a node is a dilated convolution that `_in_phases` takes."""
    if graph.opset_imports.get("", 0) < LEAST_OPSET:
        return False
    if node.op_type != "Conv" or node.domain or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    image, weight = static_shape(node.inputs[0]), static_shape(node.inputs[1])
    if image is None or weight is None or len(image) != 2 + _PLANE or node.outputs[0].dtype != FLOAT:
        return False
    dilations = node.attributes.get_ints("dilations", (1, 1))
    dilation = dilations[0]
    strides = node.attributes.get_ints("strides", (1, 1))
    pads = node.attributes.get_ints("pads", (0,) * 4)
    return (
        dilation > 1
        and set(dilations) == {dilation}
        and set(strides) == {1}
        and max(weight[-2:]) > 1
        and not any(side % dilation for side in pads)
        and static_shape(node.outputs[0]) is not None
    )
