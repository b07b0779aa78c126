"""How far an artifact may be from PyTorch, in each precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgeseg.metrics.object_agreement import MATCH_IOU
from edgeseg.spec import Precision


@dataclass(frozen=True)
class Tolerances:
    """How far an artifact may be from PyTorch. The defaults are for float32.

    Float32 networks of a hundred layers, summed in another order, differ by 1e-6 to 1e-4; a wrong operator,
    weight or attribute differs by 1e-2 and more. The defaults lie between.

    Attributes:
        relative_logit: of the image's largest logit; at every pixel, but in the mean of all where the graph
            has a CRF: a pixel between two classes falls to either, and its logits with it.
        label_agreement: least share of equal labels; only pixels where two classes all but tie differ. One
            may always (`LEAST_DIFFERING`), where they do and logits agree.
        class_overlap: least, see `metrics.label_agreement`.
        unmatched_share: of the detections, missed or extra. One proposal whose IoU equals the suppression
            threshold to the last digit may go either way and take a detection with it.
        borderline_share: of the detections, only on one side with scores at the cut (always allowed:
            LEAST_BORDERLINE, one that goes and one that comes).
        score: 0..1. Also how close to the cut a detection is borderline.
        box_px: on top of IoU > `match_iou`.
        mask: mean absolute difference of a mask's probabilities. Also how close to 0.5 a pixel is undecided.
        mask_iou: least.
        match_iou: boxes of the same detection overlap more.
        differing_share: of the matched detections, further apart than `score`, `box_px`, `mask` or `mask_iou`
            allow. Detections start from the best proposals, a ranking: rounding swaps two of them now and
            then, and the same object is described from another start, as well but not alike.
    """

    relative_logit: float = 1e-3
    label_agreement: float = 0.999
    class_overlap: float = 0.98
    unmatched_share: float = 0.01
    borderline_share: float = 0.1
    score: float = 1e-3
    box_px: float = 0.5
    mask: float = 1e-3
    mask_iou: float = 0.98
    match_iou: float = MATCH_IOU
    differing_share: float = 0.0


FP32 = Tolerances()

FP16 = Tolerances(
    relative_logit=2e-2,
    label_agreement=0.995,
    class_overlap=0.96,
    unmatched_share=0.05,
    borderline_share=0.2,
    score=2e-2,
    box_px=4.0,
    mask=2e-2,
    mask_iou=0.9,
    match_iou=0.9,
    differing_share=0.05,
)
"""Float16 keeps 11 bits: each layer adds 2**-11 of its values, a hundred of them some 1e-2 of the logits."""

INT8 = Tolerances(
    relative_logit=1.0,
    label_agreement=0.9,
    class_overlap=0.6,
    unmatched_share=0.25,
    borderline_share=1.0,
    score=0.5,
    box_px=200.0,
    mask=0.3,
    mask_iou=0.5,
    match_iou=0.5,
)
"""Int8 keeps 8 bits, chosen for images like those calibrated on; generated pictures are none, and single
boxes and pixels move. What int8 costs the task is measured where its layers are chosen (`--max-drop`); this
proof tells a quantised network from a broken one, in which a fourth of the objects or a tenth of the pixels
are others.
"""

TOLERANCES: Mapping[Precision, Tolerances] = {"fp32": FP32, "fp16": FP16, "int8": INT8}
