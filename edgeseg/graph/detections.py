"""Tell which outputs of a detector's graph are boxes, scores, classes and masks, by names and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import UsageError, shown

if TYPE_CHECKING:
    import onnx

Role = Literal["boxes", "scores", "labels", "masks"]
ROLES: tuple[Role, ...] = ("boxes", "scores", "labels", "masks")
NAMED: Mapping[Role, tuple[str, ...]] = {
    "boxes": ("box", "dets"),
    "scores": ("score", "conf"),
    "labels": ("label", "class", "cls"),
    "masks": ("mask",),
}
"""Parts of the names that torchvision's, detectron2's and mmdetection's exports give them."""

COORDINATES, WITH_SCORE = 4, 5  # columns of boxes; mmdetection's `dets` have the score as the fifth
MASK_SIZE = 56  # pixels a side, to which masks of the whole image are sampled within their boxes
NORMALISED = 1.5  # no box of real pixels lies within so few of them
FROM_ZERO = (
    "dets",
    "pred_classes",
)  # names in mmdetection's and detectron2's exports, which have no background
FIRST = "first"  # beside the roles, what users call the label of the first class


@dataclass(frozen=True)
class DetectionOutputs:
    """The outputs of a detector that say the same in another form.

    Attributes:
        boxes, labels, masks: numbers of the outputs.
        scores: likewise; None where they are the fifth column of the boxes.
        batched: whether each begins with an axis of one image.
        full_size: whether a mask covers the image, and not its box.
        classes: whether there is a mask for each class, of which the label chooses one.
        channel: whether each mask has an axis of one channel.
        are_logits: whether masks are log-odds, and no probabilities.
        first_label: of the first class: 1 where 0 is the background, as torchvision counts, else 0.
        assumed: whether nothing says what the first label is.
    """

    boxes: int
    scores: int | None
    labels: int
    masks: int
    batched: bool
    full_size: bool
    classes: bool
    channel: bool
    are_logits: bool
    first_label: int
    assumed: bool


@dataclass(frozen=True)
class ChosenOutputs:
    """What a user says of a detector's outputs.

    Attributes:
        names: of those that are named, by their role.
        first_label: of the first class; None if it is not said.
    """

    names: Mapping[Role, str] = field(default_factory=dict)
    first_label: int | None = None


def looks_like_detections(proto: onnx.ModelProto) -> bool:
    """Tell by what a graph says of its outputs whether it gives objects: boxes, and masks of them."""
    outputs = {value.name: value.type.tensor_type for value in proto.graph.output}
    boxes = [
        name
        for name, kind in outputs.items()
        if _named(name, "boxes")
        or (len(kind.shape.dim) in (2, 3) and kind.shape.dim[-1].dim_value in (COORDINATES, WITH_SCORE))
    ]
    return bool(boxes) and len(outputs) > len(ROLES) - 2


def match_detections(
    outputs: Sequence[tuple[str, NDArray[Any]]],
    size_hw: tuple[int, int],
    chosen: ChosenOutputs = ChosenOutputs(),
) -> DetectionOutputs:
    """Match the outputs of one image in which something was found.

    Args:
        outputs: names and values, in order.
        size_hw: of the image.
        chosen: what the user says.

    Raises:
        UsageError: if a role has no output, or several; it lists them all.
    """
    names = chosen.names
    boxes = _one("boxes", outputs, names, _is_boxes)
    array = outputs[boxes][1]
    batched = array.ndim == 3  # noqa: PLR2004 - (N, D, 4)
    count = array.shape[1] if batched else array.shape[0]
    lead = (1, count) if batched else (count,)
    rest = [index for index in range(len(outputs)) if index != boxes]

    def is_flat(value: NDArray[Any]) -> bool:
        return value.shape == lead

    labels = _one(
        "labels", outputs, names, lambda value: is_flat(value) and value.dtype.kind in "iu", within=rest
    )
    scores: int | None = None
    if array.shape[-1] == COORDINATES or "scores" in names:
        rest = [index for index in rest if index != labels]
        scores = _one(
            "scores", outputs, names, lambda value: is_flat(value) and value.dtype.kind == "f", within=rest
        )
    masks = _one(
        "masks",
        outputs,
        names,
        lambda value: value.shape[: len(lead)] == lead and value.ndim - len(lead) in (2, 3),
        within=rest,
    )
    mask = outputs[masks][1]
    has_axis = mask.ndim - len(lead) == 3  # noqa: PLR2004 - (D, C, M, M)
    _check_boxes(array[..., :COORDINATES], outputs[boxes][0])
    found = array[..., COORDINATES] if scores is None else outputs[scores][1]
    from_zero = bool((outputs[labels][1][found > 0] == 0).any()) or any(
        name in FROM_ZERO for name, _ in outputs
    )
    said = chosen.first_label
    return DetectionOutputs(
        boxes=boxes,
        scores=scores,
        labels=labels,
        masks=masks,
        batched=batched,
        full_size=mask.shape[-2:] == size_hw,
        classes=has_axis and mask.shape[-3] > 1,
        channel=has_axis and mask.shape[-3] == 1,
        are_logits=mask.dtype.kind == "f" and bool(mask.min() < 0 or mask.max() > 1),
        first_label=said if said is not None else 0 if from_zero else 1,
        assumed=said is None and not from_zero,
    )


def chosen_outputs(text: str) -> ChosenOutputs:
    """Read `boxes=NAME,scores=NAME,labels=NAME,masks=NAME,first=0`, of which each may be left out.

    Raises:
        UsageError: if it is not of that form.
    """
    names: dict[Role, str] = {}
    first: int | None = None
    for part in text.split(","):
        role, _, name = part.partition("=")
        if role == FIRST and name in ("0", "1"):
            first = int(name)
        elif role in ROLES and name:
            names[role] = name
        else:
            raise UsageError(
                "the outputs of a detector are named as boxes=NAME,scores=NAME,labels=NAME,masks=NAME, and "
                f"the label of its first class as {FIRST}=0 or {FIRST}=1, got {shown(part)}"
            )
    return ChosenOutputs(names, first)


def _one(
    role: Role,
    outputs: Sequence[tuple[str, NDArray[Any]]],
    chosen: Mapping[Role, str],
    fits: Any,
    *,
    within: Sequence[int] | None = None,
) -> int:
    """Find the output of a role: the one that is named, of the right name, or alone of the right shape."""
    if role in chosen:
        named = [index for index, (name, _) in enumerate(outputs) if name == chosen[role]]
        if named and fits(outputs[named[0]][1]):
            return named[0]
        raise UsageError(f"{chosen[role]} is no output with {role}; the graph gives {_listed(outputs)}")
    candidates = [
        index
        for index, (_, value) in enumerate(outputs)
        if (within is None or index in within) and fits(value)
    ]
    by_name = [index for index in candidates if _named(outputs[index][0], role)]
    found = by_name or candidates
    if len(found) == 1:
        return found[0]
    problem = "none" if not found else "several: " + ", ".join(outputs[index][0] for index in found)
    raise UsageError(
        f"which output of the graph holds the {role}? {problem} by name and shape, of {_listed(outputs)}; "
        f"say --output-key {role}=NAME"
    )


def _named(name: str, role: Role) -> bool:
    return any(part in name.lower() for part in NAMED[role])


def _is_boxes(value: NDArray[Any]) -> bool:
    is_list = value.ndim == 2 or (value.ndim == 3 and value.shape[0] == 1)  # noqa: PLR2004
    return is_list and value.shape[-1] in (COORDINATES, WITH_SCORE) and value.dtype.kind == "f"


def _check_boxes(boxes: NDArray[Any], name: str) -> None:
    if boxes.size and float(np.abs(boxes).max()) <= NORMALISED:
        raise UsageError(
            f"the boxes in {name} lie within 0..1: edgeseg takes corners (x1, y1, x2, y2) in pixels of the "
            "input; multiply them inside the graph"
        )
    if boxes.size and not (boxes[..., 2:] >= boxes[..., :2]).all():
        raise UsageError(
            f"the boxes in {name} are no corners (x1, y1, x2, y2): some end before they begin; convert "
            "centres and sizes inside the graph"
        )


def _listed(outputs: Sequence[tuple[str, NDArray[Any]]]) -> str:
    return ", ".join(f"{name} ({'x'.join(map(str, value.shape)) or 'a number'})" for name, value in outputs)
