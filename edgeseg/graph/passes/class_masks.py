"""Compute the masks of chosen classes before their pixels are put in order.

Mask R-CNN's predictor doubles the size of each object's map by a transposed convolution of stride 2 and then
weighs the channels by its class (He et al. 2017, figure 4). Where kernel and stride are equal, a transposed
convolution is a pointwise one that gives the pixels of a cell side by side. What follows looks at each pixel
for itself: it is done on the cells, and only one number a pixel is put in order, not all its channels.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeseg.graph.passes.chain import Chain
from edgeseg.graph.passes.speed import Site, SpeedPass, size_of, static_shape
from edgeseg.graph.view import FLOAT, WEIGHT, name_of

_ROW = 1  # of a class's weights (N, 1, C): there is one


class ClassMasks(SpeedPass):
    """Give the predictor of class masks the form of pointwise products.

    Requires:
        types that are known. Only a transposed convolution in float32 is changed that has constant weights,
        one group, no padding, and a kernel equal to its stride, with a ReLU and a product by one row of
        weights an object after it, which alone read it.
    """

    title = "class masks before their pixels are in order"

    def sites(self, model: ir.Model) -> list[Site]:
        """List the predictors."""
        predictors = map(_predictor_from, model.graph)
        return [Site(name_of(nodes[-1].outputs[0]), nodes) for nodes in predictors if nodes]

    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Put a pointwise convolution and a product by the class's weights in the place of a predictor."""
        transposed, *_, product = site.nodes
        maps, weight, row = transposed.inputs[0], transposed.inputs[WEIGHT], product.inputs[0]
        size_hw = size_of(maps)
        assert size_hw is not None
        assert weight is not None
        assert weight.const_value is not None
        height, width = size_hw
        kernel = weight.const_value.numpy()  # (C, M, k, l)
        channels, hidden, down, across = kernel.shape
        chain = Chain(graph, product, f"{site.name}.cells")
        pointwise = kernel.transpose(2, 3, 1, 0).reshape(-1, channels, 1, 1)
        inputs = [maps, chain.constant("kernel", pointwise)]
        if len(transposed.inputs) > 1 + WEIGHT and (bias := transposed.inputs[1 + WEIGHT]) is not None:
            assert bias.const_value is not None
            repeated = bias.const_value.numpy().reshape(1, hidden).repeat(down * across, axis=0)
            inputs.append(chain.constant("bias", repeated.reshape(-1)))
        value = chain.add("Relu", [chain.add("Conv", inputs)])  # (N, k l M, H, W)
        cells = [-1, down * across, hidden, height * width]
        value = chain.add("Reshape", [value], [("cells", cells)])
        weights = chain.add("Unsqueeze", [row], [("axis", [1])])  # (N, 1, 1, M)
        value = chain.add("MatMul", [weights, value])  # (N, k l, 1, H W)
        value = chain.add("Reshape", [value], [("apart", [-1, down, across, height, width])])
        value = chain.add("Transpose", [value], perm=[0, 3, 1, 4, 2])
        pixels = [-1, 1, height * down * width * across]
        chain.finish(chain.add("Reshape", [value], [("together", pixels)]))
        for node in reversed(site.nodes[:-1]):
            graph.remove(node, safe=True)


def _predictor_from(node: ir.Node) -> tuple[ir.Node, ...]:
    """Give the nodes of a predictor that begins here; none if it is none."""
    if not _is_upsampling(node):
        return ()
    nodes = [node]
    for operator, place in (("Relu", 0), ("Reshape", 0), ("MatMul", 1)):
        uses = tuple(nodes[-1].outputs[0].uses())
        if len(uses) != 1 or nodes[-1].outputs[0].is_graph_output():
            return ()
        reader = uses[0].node
        if reader.op_type != operator or reader.domain or uses[0].idx != place:
            return ()
        nodes.append(reader)
    return tuple(nodes) if _is_of_classes(nodes) else ()


def _is_of_classes(nodes: list[ir.Node]) -> bool:
    """Tell whether planes (N, M, pixels) are multiplied by (N, 1, M)."""
    *_, flat, product = nodes
    planes, row, maps = flat.outputs[0].shape, product.inputs[0], nodes[0].outputs[0]
    size_hw = size_of(maps)
    if planes is None or size_hw is None or maps.shape is None or row is None or row.shape is None:
        return False
    channels = maps.shape[1]
    is_flat = list(planes[1:]) == [channels, size_hw[0] * size_hw[1]]
    return is_flat and list(row.shape[1:]) == [_ROW, channels]


def _is_upsampling(node: ir.Node) -> bool:
    if node.op_type != "ConvTranspose" or node.domain:
        return False
    maps, weight = node.inputs[0], static_shape(node.inputs[WEIGHT])
    if weight is None or size_of(maps) is None:
        return False
    attributes = node.attributes
    constants = [value for value in node.inputs[WEIGHT:] if value is not None]
    return (
        node.outputs[0].dtype == FLOAT
        and all(value.is_initializer() for value in constants)
        and attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
        and attributes.get_int("group", 1) == 1
        and tuple(attributes.get_ints("strides", ())) == weight[2:]
        and not any(attributes.get_ints("pads", (0,)))
        and not any(attributes.get_ints("output_padding", (0,)))
        and set(attributes.get_ints("dilations", (1,))) == {1}
        and "output_shape" not in attributes
    )
