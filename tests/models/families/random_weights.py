"""Draw weights of a Mask R-CNN, by names and shapes as detectron2 and MMDetection publish them.

They behave like trained ones: signals keep their size, every normalisation has statistics of its own, and
scores spread so that there is something to find.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sizes:
    """How large a network is: channels of its parts, classes without background, blocks of each stage."""

    stem: int
    pyramid: int
    vector: int
    mask: int
    classes: int
    blocks: tuple[int, ...]


SMALL = Sizes(stem=8, pyramid=16, vector=24, mask=12, classes=3, blocks=(1, 2, 1, 1))
NORM = ("weight", "bias", "running_mean", "running_var")
SPREAD = {"rpn.objectness": 3.0, "rpn.deltas": 0.5, "classes": 4.0, "boxes": 2.0, "masks": 3.0}
"""How far the outputs of a role spread, where that is not about 1."""


def layer_shapes(
    sizes: Sizes = SMALL,
    *,
    groups: int = 1,
    width_per_group: int = 64,
    anchors: int = 3,
    boxes: int | None = None,
) -> dict[str, tuple[int, ...]]:
    """Give the shape of each role's weights, see `plain_detector.py`.

    Args:
        groups, width_per_group: of ResNeXt.
        anchors: a cell.
        boxes: that the box head predicts: one a class by default, or 1 for all.
    """
    boxes = sizes.classes if boxes is None else boxes
    shapes: dict[str, tuple[int, ...]] = {"stem.weight": (sizes.stem, 3, 7, 7), **_norm("stem", sizes.stem)}
    before = sizes.stem
    for stage, blocks in enumerate(sizes.blocks):
        inner = (sizes.stem << stage) * width_per_group // 64 * groups
        after = 4 * sizes.stem << stage
        for block in range(blocks):
            name = f"res.{stage}.{block}"
            for i, (outputs, inputs, side) in enumerate(
                [(inner, before, 1), (inner, inner // groups, 3), (after, inner, 1)], start=1
            ):
                shapes[f"{name}.conv{i}.weight"] = (outputs, inputs, side, side)
                shapes |= _norm(f"{name}.conv{i}", outputs)
            if block == 0:
                shapes[f"{name}.shortcut.weight"] = (after, before, 1, 1)
                shapes |= _norm(f"{name}.shortcut", after)
            before = after
        shapes |= _biased(f"lateral.{stage}", (sizes.pyramid, after, 1, 1))
        shapes |= _biased(f"output.{stage}", (sizes.pyramid, sizes.pyramid, 3, 3))
    shapes |= _biased("rpn", (sizes.pyramid, sizes.pyramid, 3, 3))
    shapes |= _biased("rpn.objectness", (anchors, sizes.pyramid, 1, 1))
    shapes |= _biased("rpn.deltas", (anchors * 4, sizes.pyramid, 1, 1))
    shapes |= _biased("fc1", (sizes.vector, sizes.pyramid * 49)) | _biased(
        "fc2", (sizes.vector, sizes.vector)
    )
    shapes |= _biased("classes", (sizes.classes + 1, sizes.vector)) | _biased(
        "boxes", (boxes * 4, sizes.vector)
    )
    for i in range(4):
        shapes |= _biased(f"mask.{i}", (sizes.mask, sizes.pyramid if i == 0 else sizes.mask, 3, 3))
    shapes |= {"deconvolution.weight": (sizes.mask, sizes.mask, 2, 2), "deconvolution.bias": (sizes.mask,)}
    return shapes | _biased("masks", (boxes, sizes.mask, 1, 1))


def drawn(
    shapes: Mapping[str, tuple[int, ...]], name_of: Callable[[str], str], seed: int = 0
) -> dict[str, Tensor]:
    """Draw weights of roles, by the names of a library."""
    generator = torch.Generator().manual_seed(seed)
    return {name_of(role): _drawn(role, shape, generator) for role, shape in shapes.items()}


def named(rules: Sequence[tuple[str, str]]) -> Callable[[str], str]:
    """Make what turns roles into names: the first rule that matches a role's beginning."""

    def name_of(role: str) -> str:
        found = next((re.sub(f"^{old}", new, role) for old, new in rules if re.match(old, role)), None)
        assert found is not None, role
        return found

    return name_of


def photo(height: int, width: int, seed: int = 0) -> Tensor:
    """Draw an image (1, 3, height, width) in -1..1 with detail at several scales."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(1, 3, height, width)
    for cell in (4, 16, 32):
        coarse = torch.rand(1, 3, -(-height // cell), -(-width // cell), generator=generator)
        image += torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return image * 2 / 3 - 1


def _drawn(role: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    noise = torch.randn(shape, generator=generator)
    if role.endswith("running_var"):
        return 0.5 + noise.abs()
    if len(shape) == 1:
        return 0.8 + 0.2 * noise if role.endswith("norm.weight") else 0.2 * noise
    spread = SPREAD.get(role.removesuffix(".weight"), 1.4)
    return noise * spread / noise[0].numel() ** 0.5


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.norm.{part}": (channels,) for part in NORM}


def _biased(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


D2 = "backbone.bottom_up."
detectron2_name = named(
    [
        (r"stem\.", f"{D2}stem.conv1."),
        *((rf"res\.{stage}\.", f"{D2}res{stage + 2}.") for stage in range(4)),
        *(
            (rf"{kind}\.{i}\.", f"backbone.fpn_{kind}{i + 2}.")
            for i in range(4)
            for kind in ("lateral", "output")
        ),
        (r"rpn\.objectness\.", "proposal_generator.rpn_head.objectness_logits."),
        (r"rpn\.deltas\.", "proposal_generator.rpn_head.anchor_deltas."),
        (r"rpn\.", "proposal_generator.rpn_head.conv."),
        (r"fc(\d)\.", r"roi_heads.box_head.fc\1."),
        (r"classes\.", "roi_heads.box_predictor.cls_score."),
        (r"boxes\.", "roi_heads.box_predictor.bbox_pred."),
        *((rf"mask\.{i}\.", f"roi_heads.mask_head.mask_fcn{i + 1}.") for i in range(4)),
        (r"deconvolution\.", "roi_heads.mask_head.deconv."),
        (r"masks\.", "roi_heads.mask_head.predictor."),
    ]
)
mmdet_name = named(
    [
        (r"stem\.norm\.", "backbone.bn1."),
        (r"stem\.", "backbone.conv1."),
        *(
            rule
            for stage in range(4)
            for rule in (
                (rf"res\.{stage}\.(\d+)\.conv(\d)\.norm\.", rf"backbone.layer{stage + 1}.\1.bn\2."),
                (rf"res\.{stage}\.(\d+)\.conv(\d)\.", rf"backbone.layer{stage + 1}.\1.conv\2."),
                (rf"res\.{stage}\.(\d+)\.shortcut\.norm\.", rf"backbone.layer{stage + 1}.\1.downsample.1."),
                (rf"res\.{stage}\.(\d+)\.shortcut\.", rf"backbone.layer{stage + 1}.\1.downsample.0."),
            )
        ),
        (r"lateral\.(\d)\.", r"neck.lateral_convs.\1.conv."),
        (r"output\.(\d)\.", r"neck.fpn_convs.\1.conv."),
        (r"rpn\.objectness\.", "rpn_head.rpn_cls."),
        (r"rpn\.deltas\.", "rpn_head.rpn_reg."),
        (r"rpn\.", "rpn_head.rpn_conv."),
        (r"fc1\.", "roi_head.bbox_head.shared_fcs.0."),
        (r"fc2\.", "roi_head.bbox_head.shared_fcs.1."),
        (r"classes\.", "roi_head.bbox_head.fc_cls."),
        (r"boxes\.", "roi_head.bbox_head.fc_reg."),
        (r"mask\.(\d)\.", r"roi_head.mask_head.convs.\1.conv."),
        (r"deconvolution\.", "roi_head.mask_head.upsample."),
        (r"masks\.", "roi_head.mask_head.conv_logits."),
    ]
)
