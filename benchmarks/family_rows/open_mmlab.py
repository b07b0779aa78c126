"""Open mmsegmentation and MMDetection by their wheels, without a compiler for mmcv's operators.

`mmcv-lite` is mmcv without them. Those that networks of the rows use are torchvision's here, which compute
the same; of all others there is a class that nothing can be done with.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn

OPERATORS = "mmcv.ops"
PARTS = (
    "carafe",
    "deform_conv",
    "merge_cells",
    "modulated_deform_conv",
    "multi_scale_deform_attn",
    "nms",
    "roi_align",
)


class RoIAlign(torchvision.ops.RoIAlign):  # type: ignore[misc]  # torchvision has no types
    """mmcv's, which is aligned unless it is told not to be."""

    def __init__(
        self, output_size: int, spatial_scale: float = 1.0, sampling_ratio: int = 0, aligned: bool = True
    ) -> None:
        super().__init__((output_size, output_size), spatial_scale, sampling_ratio, aligned=aligned)


def batched_nms(
    boxes: Tensor, scores: Tensor, classes: Tensor, nms_cfg: Mapping[str, Any], class_agnostic: bool = False
) -> tuple[Tensor, Tensor]:
    """Suppress boxes within their class; give those that stay, with their scores, and their places."""
    groups = torch.zeros_like(classes) if class_agnostic else classes
    kept = torchvision.ops.batched_nms(boxes, scores, groups, nms_cfg["iou_threshold"])
    return torch.cat([boxes[kept], scores[kept, None]], dim=1), kept


class Operators(ModuleType):
    """What stands for `mmcv.ops` and all of its modules."""

    RoIAlign = RoIAlign
    batched_nms = staticmethod(batched_nms)
    __path__ = ()  # it has modules

    def __getattr__(self, name: str) -> Any:
        """Give an empty class for an operator that is not here."""
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (nn.Module,), {})


def open_library(name: str) -> ModuleType:
    """Import `mmseg` or `mmdet` with all its networks, and let it find them by their names."""
    if OPERATORS not in sys.modules:
        operators = Operators(OPERATORS)
        sys.modules.update({OPERATORS: operators, **{f"{OPERATORS}.{part}": operators for part in PARTS}})
        importlib.import_module("mmcv").ops = operators  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the others of their networks miss
        importlib.import_module(f"{name}.models")
    importlib.import_module("mmengine.registry").init_default_scope(name)
    return importlib.import_module(name)


def read_config(library: ModuleType, name: str, changes: Mapping[str, Any]) -> Any:
    """Read one of the configurations of networks that a library brings, with changes merged into it."""
    path = Path(str(library.__file__)).parent / ".mim" / "configs" / "_base_" / "models" / name
    config = importlib.import_module("mmengine.config").Config.fromfile(path)
    config.merge_from_dict(dict(changes))
    return config


def as_input(frame_bgr: NDArray[np.uint8]) -> Tensor:
    """Give a frame as their data loaders do: (3, H, W) uint8, blue first."""
    return torch.from_numpy(np.ascontiguousarray(frame_bgr.transpose(2, 0, 1)))
