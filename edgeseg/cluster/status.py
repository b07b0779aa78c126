"""Say how cameras and nodes are doing, from what the driver knows of them: what the status file holds."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseg.cluster.link import Link
from edgeseg.cluster.roster import Roster
from edgeseg.runtime.status import StreamStatus


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


def node_status(link: Link, refused: str | None) -> NodeStatus:
    """Say how a node is doing.

    Args:
        refused: why it cannot run the engine; empty where it can, None while that is not known.
    """
    report = link.report
    state = "starting" if refused is None else "refused" if refused else "running"
    if report is None:
        return NodeStatus(link.name, link.node, state, "", link.cores, 0.0, (), refused or "")
    return NodeStatus(
        link.name,
        link.node,
        state,
        report.engine,
        round(report.load.cores, 2),
        round(report.load.used, 2),
        tuple(camera.name for camera in report.cameras),
        refused or report.error,
    )


def camera_status(roster: Roster, name: str) -> CameraStatus:
    """Say how a camera is doing."""
    cores = round(roster.measured.get(name, 0.0), 3)
    return CameraStatus(
        name, roster.placed.get(name, ""), cores, roster.moves.get(name, 0), roster.streams.get(name)
    )
