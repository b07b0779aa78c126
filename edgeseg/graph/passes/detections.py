"""Bring a detector's outputs to edgeseg's own: boxes, scores, class_ids, and small masks within the boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.tape import Tape

from edgeseg.graph.detections import COORDINATES, MASK_SIZE, WITH_SCORE, DetectionOutputs
from edgeseg.graph.passes.conditions import UnfitGraphError

NAMES = ("boxes", "scores", "class_ids", "masks")
TYPES = (ir.DataType.FLOAT, ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.FLOAT)
DETECTIONS, SIDE = "detections", "mask_size"  # sizes that depend on the data, and on the graph
SHAPES: tuple[tuple[int | str, ...], ...] = (
    (1, DETECTIONS, COORDINATES),
    (1, DETECTIONS),
    (1, DETECTIONS),
    (1, DETECTIONS, SIDE, SIDE),
)


class FinishDetections(ir.passes.InPlacePass):
    """Compute edgeseg's four outputs of a detector's own, whatever form those have.

    Args:
        layout: of the outputs, which the graph has all, in its own order.

    Requires:
        as many outputs as the layout counts on, and opset 18 or later.

    Ensures:
        four outputs of one image, whose shapes are declared: inference need not find those of a detector.
    """

    def __init__(self, layout: DetectionOutputs) -> None:
        """Take the layout."""
        super().__init__()
        self._layout = layout

    def requires(self, model: ir.Model) -> None:
        """Check that the outputs are there."""
        layout = self._layout
        if max(layout.boxes, layout.labels, layout.masks, layout.scores or 0) >= len(model.graph.outputs):
            raise UnfitGraphError(f"the graph has {len(model.graph.outputs)} outputs, too few for {layout}")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Append the nodes."""
        tape, layout = Tape(), self._layout
        own = list(model.graph.outputs)

        def take(index: int) -> ir.Value:
            return tape.op("Squeeze", [own[index], _ints(tape, [0])]) if layout.batched else own[index]

        rows = tape.op("Cast", [take(layout.boxes)], {"to": ir.DataType.FLOAT})
        boxes = _columns(tape, rows, 0, COORDINATES)
        if layout.scores is None:
            scores = tape.op("Squeeze", [_columns(tape, rows, COORDINATES, WITH_SCORE), _ints(tape, [1])])
        else:
            scores = tape.op("Cast", [take(layout.scores)], {"to": ir.DataType.FLOAT})
        scores = tape.op("Max", [scores, _constant(tape, np.float32(0))])
        labels = tape.op("Cast", [take(layout.labels)], {"to": ir.DataType.INT64})
        labels = tape.op("Max", [labels, _constant(tape, np.int64(0))])  # padding has -1, and no score
        masks = self._masks(tape, take(layout.masks), boxes, labels)
        if not layout.first_label:
            labels = tape.op("Add", [labels, _constant(tape, np.int64(1))])  # 0 is the background
        model.graph.outputs.clear()
        _free_names(model.graph)
        values = (boxes, scores, labels, masks)
        for value, name, kind, shape in zip(values, NAMES, TYPES, SHAPES, strict=True):
            output = tape.op("Unsqueeze", [value, _ints(tape, [0])])
            output.name, output.type, output.shape = name, ir.TensorType(kind), ir.Shape(shape)
            model.graph.outputs.append(output)
        for constant in tape.initializers:
            model.graph.initializers[str(constant.name)] = constant
        model.graph.extend(tape.nodes)
        return ir.passes.PassResult(model, True)

    def _masks(self, tape: Tape, masks: ir.Value, boxes: ir.Value, labels: ir.Value) -> ir.Value:
        """Give (D, M, M) probabilities within the boxes."""
        layout = self._layout
        masks = tape.op("Cast", [masks], {"to": ir.DataType.FLOAT})
        if layout.are_logits:
            masks = tape.op("Sigmoid", [masks])
        if layout.classes:
            index = tape.op("Unsqueeze", [labels, _ints(tape, [1])])
            masks = tape.op("GatherND", [masks, index], {"batch_dims": 1})
        elif layout.channel:
            masks = tape.op("Squeeze", [masks, _ints(tape, [1])])
        if not layout.full_size:
            return masks
        planes = tape.op("Unsqueeze", [masks, _ints(tape, [1])])
        count = tape.op("Squeeze", [tape.op("Shape", [boxes], {"start": 0, "end": 1}), _ints(tape, [0])])
        zero, one = _constant(tape, np.int64(0)), _constant(tape, np.int64(1))
        own = tape.op("Range", [zero, count, one])  # each box reads its own plane
        said: dict[str, str | int | float] = {
            "coordinate_transformation_mode": "half_pixel",
            "mode": "avg",
            "output_height": MASK_SIZE,
            "output_width": MASK_SIZE,
            "sampling_ratio": 1,
            "spatial_scale": 1.0,
        }
        return tape.op("Squeeze", [tape.op("RoiAlign", [planes, boxes, own], said), _ints(tape, [1])])


def _free_names(graph: ir.Graph) -> None:
    """Rename what is named as an output will be."""
    for value in (*graph.initializers.values(), *(output for node in graph for output in node.outputs)):
        if value.name in NAMES:
            value.name = f"own.{value.name}"


def _columns(tape: Tape, rows: ir.Value, first: int, end: int) -> ir.Value:
    return tape.op("Slice", [rows, _ints(tape, [first]), _ints(tape, [end]), _ints(tape, [1])])


def _ints(tape: Tape, values: Sequence[int]) -> ir.Value:
    return _constant(tape, np.array(values, np.int64))


def _constant(tape: Tape, value: Any) -> ir.Value:
    tensor = ir.tensor(np.asarray(value), name=f"detections.{len(tape.initializers)}")
    return tape.initializer(tensor)
