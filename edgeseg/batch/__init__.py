"""Turn archives of pictures and videos into tables of results, by several processes that may be killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeseg.lazy import public_names

if TYPE_CHECKING:
    from edgeseg.batch.entry import plan_batch, run_batch
    from edgeseg.batch.plan import Plan
    from edgeseg.batch.report import BatchReport
    from edgeseg.batch.settings import BatchSettings

_HOMES = {
    "BatchReport": "edgeseg.batch.report",
    "BatchSettings": "edgeseg.batch.settings",
    "Plan": "edgeseg.batch.plan",
    "plan_batch": "edgeseg.batch.entry",
    "run_batch": "edgeseg.batch.entry",
}
__all__ = ["BatchReport", "BatchSettings", "Plan", "plan_batch", "run_batch"]

__getattr__ = public_names(__name__, _HOMES)
