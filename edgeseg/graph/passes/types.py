"""Tell each tensor of a graph its type and its shape, as far as ONNX's shape inference finds them."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from edgeseg.graph.passes.conditions import UnfitGraphError
from edgeseg.graph.protos import without_weights
from edgeseg.reading import reason_of


class InferTypes(ir.passes.InPlacePass):
    """Set the types and shapes of the main graph's values; what inference does not find is unknown after it.

    What the file declares between the nodes is not believed.

    Requires:
        operators of ONNX's own domain, in a version that the graph states.
    """

    def requires(self, model: ir.Model) -> None:
        """Check that the version of the operators is stated."""
        if "" not in model.opset_imports:
            raise UnfitGraphError("the graph does not say which version of ONNX's operators it uses")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Infer, and write into the values."""
        modified = False
        for value in model.graph.initializers.values():
            if value.const_value is not None and (value.type is None or value.shape is None):
                value.type = ir.TensorType(value.const_value.dtype)
                value.shape = ir.Shape(value.const_value.shape.numpy())
                modified = True
        try:
            inferred = onnx.shape_inference.infer_shapes(without_weights(model)).graph
        except Exception as error:  # ONNX raises classes of its own without a common base
            raise UnfitGraphError(
                f"the types of the graph cannot be inferred ({reason_of(error)}); export the model again"
            ) from error
        found = {value.name: ir.from_proto(value) for value in (*inferred.value_info, *inferred.output)}
        for value in (output for node in model.graph for output in node.outputs if output.name):
            known = found.get(value.name)
            kind, shape = (None, None) if known is None else (known.type, known.shape)
            modified |= (value.type, value.shape) != (kind, shape)
            value.type, value.shape = kind, shape
        return ir.passes.PassResult(model, modified)
