"""Upsample logits for their labels by two matrix products, with the classes of a pixel side by side.

Bilinear upsampling is linear along rows and along columns, with weights that do not depend on the image: for
each class R L K^T. With classes last, both are matrix products of all classes at once, and the argmax that
follows reads the classes of a pixel in a row, not a plane apart.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgeseg.graph.passes.chain import Chain
from edgeseg.graph.passes.constants import constant
from edgeseg.graph.passes.speed import PLANES, Site, SpeedPass, static_shape
from edgeseg.graph.view import FLOAT, name_of

_CLASSES = 1  # axis
_SCALES = 2  # the input of Resize


class LabelsByProducts(SpeedPass):
    """Give the argmax of bilinearly upsampled logits by matrix products.

    The interpolated numbers differ by rounding, so that labels may where two classes are equal but for that.

    Requires:
        types that are known. Only an argmax over the classes is changed that alone reads logits (N, C, H, W)
        in float32 which were upsampled from pixel centres, or corners aligned, to a size that is fixed.
    """

    title = "labels by matrix products"

    def sites(self, model: ir.Model) -> list[Site]:
        """List the upsamplings, each with its argmax."""
        found = []
        for node in model.graph:
            resize = _resize_of(node)
            if resize is not None:
                found.append(Site(name_of(node.outputs[0]), (resize, node)))
        return found

    def rewrite(self, graph: ir.Graph, site: Site) -> None:
        """Put the products in the place of one upsampling and its argmax."""
        resize, argmax = site.nodes
        small, large = static_shape(resize.inputs[0]), static_shape(resize.outputs[0])
        assert small is not None
        assert large is not None
        (batch, classes, *coarse), (_, _, height, width) = small, large
        corners = (
            resize.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "align_corners"
        )
        rows, columns = (
            constant(graph, f"{site.name}.{name}", interpolation(count, size, align_corners=corners))
            for name, count, size in (("rows", coarse[0], height), ("columns", coarse[1], width))
        )
        chain = Chain(graph, argmax, f"{site.name}.products")
        value = chain.add("Transpose", [resize.inputs[0]], perm=[0, 2, 3, 1])
        lines = [batch * coarse[0], coarse[1], classes]
        value = chain.add("Reshape", [value], [("lines", lines)])
        value = chain.add("MatMul", [columns, value])  # (N h, W, C)
        value = chain.add("Reshape", [value], [("wide", [batch, coarse[0], width * classes])])
        value = chain.add("MatMul", [rows, value])  # (N, H, W C)
        value = chain.add("Reshape", [value], [("pixels", [batch, height, width, classes])])
        last = argmax.attributes.get_int("select_last_index", 0)
        chain.finish(chain.add("ArgMax", [value], axis=-1, keepdims=0, select_last_index=last))
        graph.remove(resize, safe=True)


def interpolation(count: int, size: int, *, align_corners: bool) -> NDArray[np.float32]:
    """Give the matrix (size, count) of linear interpolation from `count` samples to `size`.

    A pixel beyond the first or the last sample has its value.
    """
    pixels = np.arange(size)
    if align_corners:
        places = pixels * ((count - 1) / max(size - 1, 1))
    else:
        places = np.clip((pixels + 0.5) * (count / size) - 0.5, 0, count - 1)
    before = np.minimum(places.astype(np.int64), count - 1)
    after = np.minimum(before + 1, count - 1)
    weight = places - before
    matrix = np.zeros((size, count))
    np.add.at(matrix, (pixels, before), 1 - weight)
    np.add.at(matrix, (pixels, after), weight)
    return matrix.astype(np.float32)


def _resize_of(argmax: ir.Node) -> ir.Node | None:
    """Give the upsampling whose classes a node compares, if it can be replaced."""
    if argmax.op_type != "ArgMax" or argmax.domain or argmax.attributes.get_int("keepdims", 1) != 0:
        return None
    scores = argmax.inputs[0]
    resize = None if scores is None else scores.producer()
    if scores is None or resize is None or resize.op_type != "Resize" or resize.domain:
        return None
    small, large = static_shape(resize.inputs[0]), static_shape(scores)
    axis = argmax.attributes.get_int("axis", 0)
    if small is None or large is None or len(large) != PLANES or axis not in (_CLASSES, _CLASSES - PLANES):
        return None
    is_alone = len(scores.uses()) == 1 and not scores.is_graph_output()
    fits = (
        is_alone and scores.dtype == FLOAT and small[:2] == large[:2] and _is_bilinear(resize, small, large)
    )
    return resize if fits else None


def _is_bilinear(resize: ir.Node, small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Tell whether a resize is bilinear, of the scale that its sizes have."""
    attributes = resize.attributes
    if attributes.get_string("mode", "nearest") != "linear" or attributes.get_int("antialias", 0) != 0:
        return False
    if attributes.get_string("coordinate_transformation_mode", "half_pixel") not in (
        "half_pixel",
        "align_corners",
    ):
        return False
    if "axes" in attributes or attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch":
        return False
    given = resize.inputs[_SCALES] if len(resize.inputs) > _SCALES else None
    if given is None or not given.name:
        return True
    scales = None if given.const_value is None else given.const_value.numpy()
    if scales is None:
        return False
    return scales.size == 0 or bool(np.all(np.array(small) * scales == np.array(large)))
