"""Put the graph of a ready network into a traced program."""

from __future__ import annotations

import onnx_ir as ir
from onnx import TensorProto
from onnx_ir.passes import common

from edgeseg.export.ready.network import ReadyNetwork
from edgeseg.graph.detections import DetectionOutputs
from edgeseg.graph.opset import with_fixed_input, with_opset
from edgeseg.graph.passes.detections import FinishDetections
from edgeseg.graph.passes.placing import DOMAIN, PlaceGraph
from edgeseg.graph.passes.types import InferTypes
from edgeseg.graph.protos import from_proto
from edgeseg.graph.ready_model import image_input, opset_of


def placed(
    traced: ir.Model,
    network: ReadyNetwork,
    shape: tuple[int, ...],
    layout: DetectionOutputs | None = None,
) -> ir.Model:
    """Replace what stands for a ready graph by the graph; both are brought to the newer one's opset.

    Args:
        traced: the program, its nodes for the graph included.
        shape: of the image, in the graph's own layout.
        layout: of a detector's outputs, which are finished then; their sizes depend on the data.

    Raises:
        ExportError: if the graph cannot be made or converted.
    """
    name = "the graph"
    graph = network.ready.make_graph(shape)
    image = image_input(graph, name)
    graph = with_fixed_input(graph, image.name, shape)
    if image.cast_at_once:
        graph.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    ours = traced.opset_imports[""]
    opset = max(ours, opset_of(graph))
    graph = with_opset(graph, opset, name)
    if opset > ours:
        traced = _converted(traced, opset)
    own = from_proto(graph, name)
    common.LiftConstantsToInitializersPass()(own)  # weights, where passes look for them
    model = PlaceGraph(own)(traced).model
    if layout is not None:
        model = FinishDetections(layout)(model).model
    return InferTypes()(model).model


def _converted(traced: ir.Model, opset: int) -> ir.Model:
    """Bring the program to another opset; the converter knows nothing of the node that is no operator."""
    proto = with_opset(ir.to_proto(traced), opset, "the program around the graph")
    if all(entry.domain != DOMAIN for entry in proto.opset_import):
        proto.opset_import.add(domain=DOMAIN, version=1)
    return from_proto(proto, "the program around the graph")
