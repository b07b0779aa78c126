"""Choose the anchors of a Mask R-CNN: what the user says, its file, or torchvision's own where they fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.checkpoints.detector_anchors import anchor_note, is_stored_anchors
from edgeseg.models.families.family import Source
from edgeseg.models.families.torchvision import arguments
from edgeseg.models.families.torchvision.detectors import DetectorForm
from edgeseg.models.mask_rcnn import ASPECT_RATIOS
from edgeseg.models.zoo import TORCHVISION_COCO_SHA256

SMALLEST = 32  # pixels, of the anchors in an example


def choose_anchors(
    source: Source, form: DetectorForm, given: Mapping[str, Any], model: str
) -> tuple[dict[str, Any], list[str]]:
    """Give `anchor_sizes` and `aspect_ratios`, and notes on what was assumed.

    Args:
        source: of the weights, beside which there may be some.
        form: of the network.
        given: what the user says, by torchvision's names.
        model: as the user writes it.

    Raises:
        CheckpointError: if nobody says them, and torchvision's own do not fit.
        UsageError: if those that are said do not fit.
    """
    asked = arguments.anchors(given)
    usual = form.usual_anchors()
    chosen = {arguments.RATIOS: ASPECT_RATIOS, **(usual or {}), **source.anchors, **asked}
    if arguments.SIZES not in chosen:
        raise CheckpointError(
            f"{source.path} has {form.anchors} anchors a cell on {form.pyramid_levels} levels, which are not "
            f"torchvision's own, and weights hold neither sizes nor aspect ratios: give those of the "
            f"training, in the form '{_example(form, model)}'"
        )
    sizes, ratios = chosen[arguments.SIZES], chosen[arguments.RATIOS]
    counts = {len(level) * len(ratios) for level in sizes}
    if len(sizes) != form.pyramid_levels or counts != {form.anchors}:
        error = UsageError if asked else CheckpointError
        raise error(
            f"{source.path} has {form.anchors} anchors a cell on {form.pyramid_levels} levels; sizes of "
            f"{len(sizes)} levels with {' or '.join(map(str, sorted(counts)))} a cell (sizes of a level "
            "times aspect ratios) do not fit: give those of the training, in the form "
            f"'{_example(form, model)}'"
        )
    anchors = {name: chosen[name] for name in (arguments.SIZES, arguments.RATIOS)}
    is_known = source.sha256.startswith(TORCHVISION_COCO_SHA256) or any(
        map(is_stored_anchors, source.weights)
    )
    return anchors, [] if is_known else anchor_note(model, anchors, source.anchors, asked)


def _example(form: DetectorForm, model: str) -> str:
    """Write anchors of the form that is wanted; their sizes and ratios say nothing."""
    is_usual = form.anchors % len(ASPECT_RATIOS) == 0
    ratios = ASPECT_RATIOS if is_usual else tuple(0.5 + index / 2 for index in range(form.anchors))
    a_level = form.anchors // len(ratios)
    sizes = tuple(
        tuple(SMALLEST << (level + index) for index in range(a_level)) for level in range(form.pyramid_levels)
    )
    text = f"{model}?anchor_sizes={sizes}&aspect_ratios={ratios}"
    return text.replace(" ", "")
