"""Count the pixels, or the objects, in which the results of two networks differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.frames.results import InstanceResult
from edgeseg.metrics.object_agreement import SAME_OBJECT_IOU, Instances, match


@dataclass
class PixelDisagreement:
    """Pixels of two label maps over several images.

    Attributes:
        different: pixels with another label, known to the truth or not.
        pixels: all of them.
        images: with a different pixel.
    """

    different: int = 0
    pixels: int = 0
    images: int = 0

    def add(self, labels: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
        """Compare the labels of one image, (H, W) each."""
        different = int(np.count_nonzero(labels != other))
        self.different += different
        self.pixels += labels.size
        self.images += different > 0

    def to_json_value(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {"pixels_different": self.different, "pixels": self.pixels, "images_different": self.images}

    def __str__(self) -> str:
        share = 100 * self.different / max(self.pixels, 1)
        return f"{self.different} of {self.pixels} pixels differ ({share:.3f}%), in {self.images} images"


@dataclass
class ObjectDisagreement:
    """Objects of two results over several images; one that both have has one class, its boxes IoU over 0.5.

    Attributes:
        common: objects that both find.
        alone, other_alone: objects that the one, or the other, finds alone.
        images: with such an object.
    """

    common: int = 0
    alone: int = 0
    other_alone: int = 0
    images: int = 0

    def add(self, result: InstanceResult, other: InstanceResult) -> None:
        """Compare the objects of one image."""
        pairs = len(match(_instances(other), _instances(result), SAME_OBJECT_IOU))
        self.common += pairs
        self.alone += len(result) - pairs
        self.other_alone += len(other) - pairs
        self.images += len(result) != pairs or len(other) != pairs

    def to_json_value(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "objects_in_common": self.common,
            "objects_alone": self.alone,
            "objects_of_the_other_alone": self.other_alone,
            "images_different": self.images,
        }

    def __str__(self) -> str:
        return (
            f"{self.common} objects are found by both, {self.alone} by this one alone, {self.other_alone} by "
            f"the other alone; {self.images} images differ"
        )


Disagreement = PixelDisagreement | ObjectDisagreement


def _instances(result: InstanceResult) -> Instances:
    return Instances(result.boxes, result.scores, result.class_ids, np.zeros((0, 0, 0), np.float32))
