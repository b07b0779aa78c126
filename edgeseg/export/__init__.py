"""Turn trained networks into portable models: the training side, which needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeseg.lazy import public_names

if TYPE_CHECKING:
    from edgeseg.export.entry import export
    from edgeseg.export.exporter import Exported

_HOMES = {"Exported": "edgeseg.export.exporter", "export": "edgeseg.export.entry"}
__all__ = ["Exported", "export"]

__getattr__ = public_names(__name__, _HOMES)
