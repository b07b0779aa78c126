"""Name the passes that make graphs faster on some machines, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx_ir as ir

from edgeseg.graph.passes.class_masks import ClassMasks
from edgeseg.graph.passes.constants import DropUnreadConstants
from edgeseg.graph.passes.dilated_phases import DilatedPhases
from edgeseg.graph.passes.labels_by_products import LabelsByProducts
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.passes.speed import SpeedPass
from edgeseg.graph.passes.split_concats import SplitConcats
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.passes.wide_dilations import WideDilations
from edgeseg.graph.passes.winograd import Winograd

SPEED_PASSES: Mapping[str, type[SpeedPass]] = {
    kind.title: kind
    for kind in (
        WideDilations,
        DilatedPhases,
        SplitConcats,
        LabelsByProducts,
        ClassMasks,
        Winograd,
    )
}


def applied(model: ir.Model, passes: Mapping[str, Collection[str]]) -> ir.Model:
    """Apply speed passes to a copy of a model whose types are known, and infer the types of the result.

    Args:
        passes: the sites of each, by its title.
    """
    for title, sites in passes.items():
        model = changed(model, SPEED_PASSES[title](sites), DropUnreadConstants(), InferTypes()).model
    return model
