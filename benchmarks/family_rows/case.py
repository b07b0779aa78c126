"""One row of `benchmarks.families`: a checkpoint as its library writes it, and what that library computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeseg.metrics.object_agreement import Instances

Labels = NDArray[np.uint8]
Eager = Callable[[NDArray[np.uint8]], "Labels | Instances"]
"""The library's own model with the library's own preprocessing: a BGR frame (H, W, 3) of the row's size gives
labels (H, W), upsampled as the library does, or instances, masks (D, H, W) of the frame, all with a score
above `Case.score_threshold`."""


@dataclass(frozen=True)
class Written:
    """A checkpoint that was written.

    Attributes:
        path: file or folder, as `--weights` takes it.
        eager: what the same weights compute in the library.
    """

    path: Path
    eager: Eager


@dataclass(frozen=True)
class Case:
    """A row.

    Attributes:
        family: as MODEL names it.
        architecture: with backbone, in the library's words: `Unet resnet18`.
        written: how its checkpoint is written, in a few words: `save_pretrained folder`, `state dict, fp16`.
        write: makes the library's model with weights that are not trivial, and writes its checkpoint into an
            empty folder. What it cannot do it raises: a row that fails is a row with its reason.
        model: MODEL that has to be named where the file alone does not say it; None where `auto` is enough.
        expected: family and architecture that `auto` should recognise: `smp:Unet`.
        size_hw: of the input, in pixels.
        num_classes: to be given, where weights do not say it.
        score_threshold: of instances.
        is_whole: whether the file holds the network, and is MODEL itself.
    """

    family: str
    architecture: str
    written: str
    write: Callable[[Path], Written]
    expected: str
    model: str | None = None
    size_hw: tuple[int, int] = (128, 128)
    num_classes: int | None = None
    score_threshold: float = 0.05
    is_whole: bool = False

    @property
    def name(self) -> str:
        """Name the row, as `--rows` selects it."""
        return f"{self.family} {self.architecture} {self.written}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Tell the row from all others of a table."""
        return self.family, self.architecture, self.written
