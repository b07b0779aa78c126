"""Say what was done to a graph's precision, why, and in which precision an engine truly computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgeseg.records import to_json_value
from edgeseg.spec import Precision


@dataclass(frozen=True)
class Kept:
    """What stays in float32, and why.

    Attributes:
        name: a tensor, a layer, or operators with their count.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class CurvePoint:
    """One step of the search for layers to leave in float.

    Attributes:
        float_layers: how many layers were left in float.
        drop_points: what that costs against float32; see `agreement`.
    """

    float_layers: int
    drop_points: float


Metric = Literal["mIoU", "class overlap", "F1 by score", "agreement"]


@dataclass(frozen=True)
class PrecisionReport:
    """What a pass did to a model, and what the engine made of it.

    Attributes:
        images: how many were calibrated on.
        kept: tensors and layers that stay in float32, by measurement or because the engine cannot do else.
        operators: what stays in float32 by rule.
        drop_points: what the task loses against float32 on the calibration images; see `agreement`.
        engine_drop_points: the same of the finished engine; None where it was not measured.
        metric: what points are of: `mIoU` against label maps, or, with the float32 model in the place of the
            truth, `class overlap` or `F1 by score`, see `edgeseg.metrics`; `agreement` in reports that do not
            tell the last two apart.
        float_miou: of the float32 model against label maps of these images, 0..100; None without label maps.
        backend: that computed in the search for float layers.
        narrow: why weights of int8 layers are smaller than 8 bits allow; None if they are not.
        method: how int8 ranges were chosen; None for fp16.
        float_layers: layers that int8 would cost too much, most sensitive first.
        curve: the search for them.
        layers: the precision each layer was asked to compute in.
        built: the precision each layer computes in in the engine, as far as its backend can tell.
        notes: what a reader must know to understand the figures.
        interrupted: whether the search was, so that fewer float layers may do.
    """

    precision: Precision
    images: int
    kept: tuple[Kept, ...]
    drop_points: float
    layers: Mapping[str, Precision]
    engine_drop_points: float | None = None
    metric: Metric = "agreement"
    float_miou: float | None = None
    backend: str = "onnxruntime"
    narrow: str | None = None
    method: str | None = None
    float_layers: tuple[Kept, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    built: Mapping[str, str] | None = None
    operators: tuple[Kept, ...] = ()
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    def to_json(self) -> str:
        """Write as JSON with sorted keys."""
        return json.dumps(to_json_value(self), indent=2, sort_keys=True) + "\n"
