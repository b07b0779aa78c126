"""What goes between the driver and its nodes: orders, each with all that a node is to run, and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeseg.cluster.load import Load
from edgeseg.runtime.settings import SiteSettings
from edgeseg.runtime.status import StreamStatus


@dataclass(frozen=True)
class Order:
    """All that a node is to run now.

    Attributes:
        settings: with its cameras alone; its engine is the one below.
        engine: the digest of one that the node was prepared for.
        written: outputs, as in the settings, to which other nodes have written; it writes beside.
    """

    settings: SiteSettings
    engine: str
    written: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """How a node is doing.

    Attributes:
        engine: the digest of the one that computes frames now; empty before the first.
        cameras: that run.
        load: what they take.
        settled: no order was just being followed, so that a camera which has ended did so by itself.
        error: why the last order could not be followed; empty where it was, or is being followed.
        refused: cameras of the order that this node cannot run, with why; another may.
        broken: why the engine does not open or compute here; empty where it does.
        hung: why nothing more is to be expected of this process; empty while all goes on.
    """

    engine: str
    cameras: tuple[StreamStatus, ...]
    load: Load
    settled: bool = True
    error: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    broken: str = ""
    hung: str = ""
