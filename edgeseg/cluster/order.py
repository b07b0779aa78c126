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


@dataclass(frozen=True)
class NodeStatus:
    """How a node is doing, as the status file says it.

    Attributes:
        name: of the node, or its address.
        node: its id in the cluster.
        state: `starting`, `running` or `refused`: it cannot run the engine.
        engine: digest of the engine that computes frames there.
        cores: that cameras could have.
        used: of them.
        cameras: that run there.
        error: what is wrong; empty where nothing is.
    """

    name: str
    node: str
    state: str
    engine: str
    cores: float
    used: float
    cameras: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is doing.

    Attributes:
        name: of the stream.
        node: that runs it, or is about to; empty while there is none.
        cores: that it takes.
        moves: how often it went to another node.
        stream: as the node last said; None before that.
    """

    name: str
    node: str
    cores: float
    moves: int
    stream: StreamStatus | None


@dataclass(frozen=True)
class ClusterStatus:
    """How all is going.

    Attributes:
        engine: digest of the engine that cameras are to have.
    """

    engine: str
    nodes: tuple[NodeStatus, ...]
    cameras: tuple[CameraStatus, ...]
