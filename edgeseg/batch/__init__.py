"""Turn archives of pictures and videos into tables of results, by several processes that may be killed.

The way through, from `entry.run_batch` down:

1. What is there to do. `outside` and `found` (with `tree`, on this machine) list an archive's files; `plan`
   splits them into pieces (`piece`): pictures some at a time, videos by `spans`, shards by `shards`. `parts`
   tells which pieces have results, by names made of all that these depend on (`settings`).
2. What goes first. `stale` takes out rows, and `drawn` label maps and overlays, that do not hold any more.
3. Who does it. `task` is what a process may be asked and may answer; `crew` has processes of this machine,
   `on_ray` actors of a cluster, by `groups`; `deadly`, above either, finds what kills them and does the
   rest.
4. What one of them does. `work` opens the engine and turns a piece into a part: `shots` reads its frames,
   `rows` describes what was found in them, `parts` writes that, whole or not at all.
5. What is said of it. `forecast` while it runs, `report` at the end.

Below all of these: `places` reads and writes paths and stores alike (told apart by `addresses`; opened by
`native_stores` and `fsspec_stores`, whose files `stamps` tells from earlier ones); `tars` and `columns` read
shards; `tables`, `random_access` and `excerpts` tell where a video can be cut, and copy parts of it; `names`
spells what is no UTF-8; `scratch` has temporary folders; `at_once` waits for a store.
"""

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
