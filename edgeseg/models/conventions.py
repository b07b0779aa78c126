"""The details that papers leave open and in which implementations of Mask R-CNN differ.

Weights have learnt their own implementation's details: with others they still find the objects, but draw
other boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgeseg.spec import MaskPasting


@dataclass(frozen=True)
class Conventions:
    """How an implementation lays anchors, decodes deltas and pools regions; by default as torchvision does.

    Attributes:
        whole_pixel_anchors: a cell's anchors are rounded to whole pixels.
        even_anchors: anchors are as far apart as the padded image's pixels over the map's cells, rounded
            down; else as the level's stride says. The coarsest level's cells may reach out of the image.
        aligned_regions: ROI-Align takes a cell's centre for half a cell from its corner, and samples regions
            thinner than a cell as they are ("ROIAlignV2"); else cell centres are at whole coordinates, and
            a region is at least one cell wide and high.
        sampling_ratio: ROI-Align's samples per side of a bin; 0 for as many as the bin has cells, rounded up.
        limited_shrinking: a delta may shrink a side by no more than it may enlarge one.
        mask_pasting: how a mask's probabilities become those of pixels, see `spec.Thresholds`.
    """

    whole_pixel_anchors: bool = True
    even_anchors: bool = True
    aligned_regions: bool = False
    sampling_ratio: int = 2
    limited_shrinking: bool = False
    mask_pasting: MaskPasting = "whole_pixels"


TORCHVISION = Conventions()
DETECTRON2 = Conventions(
    whole_pixel_anchors=False,
    even_anchors=False,
    aligned_regions=True,
    sampling_ratio=0,
    mask_pasting="pixel_centres",
)
MMDETECTION = replace(DETECTRON2, limited_shrinking=True)
