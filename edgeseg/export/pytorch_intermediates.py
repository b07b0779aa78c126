"""Compute in PyTorch what a Mask R-CNN's graph is proven by: intermediate values, and rules of decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeseg.export.program import InstanceProgram, ProbedProgram
from edgeseg.export.settings import Settings
from edgeseg.export.tracing import run_eagerly
from edgeseg.graph.golden.selection import Intermediates, Selection
from edgeseg.graph.outputs import Outputs
from edgeseg.graph.passes.intermediates import ExposeIntermediates
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.protos import to_bytes
from edgeseg.graph.running import open_run
from edgeseg.models import roi_heads, rpn
from edgeseg.models.boxes import MAX_LOG_SCALE
from edgeseg.proof.intermediates import IntermediatesGate, IntermediatesProof, Reference, golden_numbers
from edgeseg.proof.verify import AnyScore, ProveIntermediates


def pytorch_reference(program: InstanceProgram) -> Reference:
    """Let PyTorch compute a detector's numbers."""

    @torch.inference_mode()
    def reference(images: NDArray[Any], other: Intermediates) -> Intermediates:
        network = program.network
        levels = network.pyramid(program.preprocessing(torch.from_numpy(images)))
        numbers: dict[str, Tensor] = {}
        for i, level in enumerate(levels):
            numbers[f"maps.{i}"] = level
            numbers[f"rpn.logits.{i}"], numbers[f"rpn.deltas.{i}"] = network.rpn.head(level)
        given = {name: torch.from_numpy(array) for name, array in other.items()}
        heads, pooled = network.roi_heads, levels[: network.backbone.pooled_levels]
        numbers["heads.logits"], numbers["heads.deltas"] = heads.describe(pooled, given["proposals.boxes"])
        numbers["masks"] = heads.segment(pooled, given["detections.boxes"], given["detections.class_ids"])
        return {name: tensor.numpy() for name, tensor in numbers.items()}

    return reference


def rules_of(program: InstanceProgram, size_hw: tuple[int, int]) -> Selection:
    """Say by which rules the detector decides on images of one size."""
    network = program.network
    proposer, heads = network.rpn, network.roi_heads
    with torch.inference_mode():
        blank = torch.zeros((1, *size_hw, program.preprocessing.channels))
        levels = network.pyramid(program.preprocessing(blank))
    grids = [(level.shape[2], level.shape[3]) for level in levels]
    cells = proposer.cell_anchors()
    anchors = [len(cell) * rows * columns for cell, (rows, columns) in zip(cells, grids, strict=True)]
    chosen = [min(proposer.pre_nms, count) for count in anchors]
    proposals = min(proposer.post_nms, len(levels) * max(chosen))
    classes = heads.box_predictor.cls_score.out_features
    candidates = heads.candidate_count(proposals, classes - 1)
    return Selection(
        image_hw=size_hw,
        grids_hw=tuple(grids),
        strides_hw=proposer.strides_hw(grids, network.padded_hw(size_hw)),
        cell_anchors=tuple(tuple(_box(anchor) for anchor in cell) for cell in cells),
        chosen=tuple(chosen),
        classes=classes,
        proposals=proposals,
        candidates=candidates,
        detections=min(heads.detections, candidates),
        rpn_score_threshold=proposer.score_threshold,
        rpn_min_side=rpn.MIN_SIDE,
        rpn_iou=proposer.nms_threshold,
        score_threshold=heads.score_threshold,
        min_side=roi_heads.MIN_SIDE,
        iou=heads.nms_threshold,
        delta_weights=roi_heads.DELTA_WEIGHTS,
        max_log_scale=MAX_LOG_SCALE,
        min_log_scale=-MAX_LOG_SCALE if heads.conventions.limited_shrinking else None,
    )


def prover(
    program: InstanceProgram,
    graph: ir.Model,
    frames: NDArray[Any],
    settings: Settings,
    on_step: Callable[[str], None],
) -> ProveIntermediates:
    """Prove the intermediate values of a traced graph by PyTorch's, on frames (M, H, W, C)."""

    def prove(any_score: AnyScore) -> IntermediatesProof:
        on_step("comparing candidates of any score" if any_score else "comparing intermediate values")
        rules = rules_of(program, settings.size_hw)
        run = open_run(to_bytes(changed(graph, ExposeIntermediates(any_score=any_score)).model))
        gate = IntermediatesGate(
            rules.of_any_score() if any_score else rules, settings.batch, settings.tolerances
        )
        return gate.prove(run, pytorch_reference(program), frames)

    return prove


def golden_intermediates(program: InstanceProgram, image: NDArray[Any]) -> Outputs:
    """Sample the intermediate values' numbers in one picture, of some of PyTorch's own proposals there.

    Args:
        image: (N, H, W, C), the picture repeated.
    """
    program_of_all = ProbedProgram(program.preprocessing, program.network)
    intermediates = dict(
        zip(program_of_all.all_names, run_eagerly(program_of_all, torch.from_numpy(image)), strict=True)
    )
    boxes = intermediates["proposals.boxes"][0][intermediates["proposals.scores"][0] > 0].numpy()
    size_hw = (image.shape[1], image.shape[2])
    return golden_numbers(pytorch_reference(program), image, boxes, rules_of(program, size_hw))


def _box(anchor: NDArray[Any]) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, anchor)
    return left, top, right, bottom
