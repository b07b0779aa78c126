"""Engines: a folder a backend, and what they share; importing it imports no library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeseg.lazy import public_names

if TYPE_CHECKING:
    from edgeseg.engines.building.build import Built
    from edgeseg.engines.building.entry import build, verify
    from edgeseg.graph.precision.convert import Calibration

_HOMES = {
    "Built": "edgeseg.engines.building.build",
    "Calibration": "edgeseg.graph.precision.convert",
    "build": "edgeseg.engines.building.entry",
    "verify": "edgeseg.engines.building.entry",
}
__all__ = ["Built", "Calibration", "build", "verify"]

__getattr__ = public_names(__name__, _HOMES)
