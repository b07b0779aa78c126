"""Turn a detector's graph into one that shows its stages, or that computes a stage from given values.

The exporter gives the stages' names to values of the graph (`edgeseg.stages`), so nothing but the graph is
needed, and what is proven is the graph itself. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ExportError
from edgeseg.stages import DETECTIONS, LEVEL_STAGES, STAGES

if TYPE_CHECKING:
    import onnx

COMPARED_SCORE = "heads.probabilities"  # is compared with the score threshold
ANY_SCORE = "any_score"
REPLACED = "replaced."  # before the name of a value that a given one stands for


def stage_values(model: onnx.ModelProto) -> list[str]:
    """List the graph's values that are stages, in its order; detections of a padded graph are its outputs."""
    levels = {f"{stage}." for stage in LEVEL_STAGES}
    computed = [name for node in model.graph.node for name in node.output]
    return [name for name in computed if name in STAGES or name[: name.rfind(".") + 1] in levels]


def detection_values(model: onnx.ModelProto) -> tuple[str, ...]:
    """Name the values that are a graph's detections, padding included: boxes, scores, class ids."""
    computed = {name for node in model.graph.node for name in node.output}
    return DETECTIONS if computed >= set(DETECTIONS) else tuple(name.split(".")[1] for name in DETECTIONS)


def shown(model: onnx.ModelProto, *, any_score: bool = False) -> onnx.ModelProto:
    """Add the stages to the outputs.

    Args:
        any_score: lower the score threshold to 0, so that there is something to decide about.

    Raises:
        ExportError: if the graph has no stages, or compares no score.
    """
    changed = _copy(model)
    names = stage_values(changed)
    if not names:
        raise ExportError("the graph does not name its stages; export the model again")
    _make_outputs(changed, (*(output.name for output in model.graph.output), *names))
    if any_score:
        from onnx import numpy_helper

        compared = [node for node in changed.graph.node if list(node.input[:1]) == [COMPARED_SCORE]]
        thresholds = [node for node in compared if node.op_type == "Greater"]
        if len(thresholds) != 1:
            raise ExportError(f"the graph compares scores {len(thresholds)} times; export the model again")
        thresholds[0].input[1] = ANY_SCORE
        changed.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), ANY_SCORE))
    return changed


def computed_from(
    model: onnx.ModelProto, given: Mapping[str, NDArray[Any]], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Put given values in the place of computed ones, and make `outputs` the graph's."""
    from onnx import numpy_helper

    changed = _copy(model)
    for node in changed.graph.node:
        for place, name in enumerate(node.output):
            if name in given:
                node.output[place] = REPLACED + name
    changed.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in given.items())
    _make_outputs(changed, outputs)
    return changed


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnx import ModelProto

    changed = ModelProto()
    changed.CopyFrom(model)
    return changed


def _make_outputs(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Make values the graph's outputs, with the types that the graph declares for them."""
    from onnx import ValueInfoProto

    known = {value.name: value for value in (*model.graph.value_info, *model.graph.output)}
    declared = [known.get(name, ValueInfoProto(name=name)) for name in names]
    kept = [value for value in model.graph.value_info if value.name not in names]
    del model.graph.output[:], model.graph.value_info[:]
    model.graph.output.extend(declared)
    model.graph.value_info.extend(kept)
