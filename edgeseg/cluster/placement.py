"""Choose the node of each camera by measured load; those that run stay, unless a move is worth it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

Nodes = Mapping[str, float]
"""Cores that each node has for cameras, above 0."""
Loads = Mapping[str, float]
"""Cores that each camera takes."""
Placed = Mapping[str, str]
"""The node of each camera."""
Barred = Mapping[str, Collection[str]]
"""The nodes that cannot run a camera, by camera."""
NONE_BARRED: Barred = MappingProxyType({})

LEAST_LOAD = 0.05  # cores of a camera that seems to take none, such as one that is down: it may come back
BUSY = 0.7  # share of a node's cores below which nothing is gained by moving a camera away
GAIN = 0.85  # a move must bring the busier of its two nodes below this share of what it was


def place(loads: Loads, nodes: Nodes, placed: Placed, barred: Barred = NONE_BARRED) -> dict[str, str]:
    """Give every camera a node that can run it.

    Those on a node that is there stay. The others go, those that take most first, to where the share of the
    cores that is then taken is the least; of equal ones to the first by name.

    Args:
        loads: of all cameras.
        placed: as they are now; nodes that are gone count for nothing.

    Returns:
        Nothing of cameras for which there is no node.
    """
    found = {camera: placed[camera] for camera in loads if placed.get(camera) in nodes}
    taken = _taken(loads, nodes, found)
    waiting = sorted(
        (camera for camera in loads if camera not in found), key=lambda one: (-_of(loads, one), one)
    )
    for camera in waiting:
        load = _of(loads, camera)
        shares = {
            node: (taken[node] + load) / nodes[node] for node in nodes if node not in barred.get(camera, ())
        }
        if shares:
            node = min(shares, key=lambda one: (shares[one], one))
            found[camera] = node
            taken[node] += load
    return found


def move(loads: Loads, nodes: Nodes, placed: Placed, barred: Barred = NONE_BARRED) -> tuple[str, str] | None:
    """Choose the one camera, and its new node, by which the busiest node gains most; None for none.

    The gain must be worth it: nothing moves away from a node below BUSY, and the busier of the two must be
    GAIN or less of what the busiest was. So a camera does not go back while loads, from one measurement to
    the next, differ by less than 15 % from what they were.
    """
    here = {camera: node for camera, node in placed.items() if node in nodes and camera in loads}
    taken = _taken(loads, nodes, here)
    shares = {node: taken[node] / nodes[node] for node in nodes}
    if not shares:
        return None
    busiest = max(shares, key=lambda node: (shares[node], node))
    if shares[busiest] < BUSY:
        return None
    moves = {}
    for camera in sorted(camera for camera, node in here.items() if node == busiest):
        load = _of(loads, camera)
        for node in sorted(nodes):
            if node != busiest and node not in barred.get(camera, ()):
                left, then = taken[busiest] - load, taken[node] + load
                moves[camera, node] = max(left / nodes[busiest], then / nodes[node])
    best = min(moves, key=lambda one: (moves[one], one), default=None)
    return best if best is not None and moves[best] <= GAIN * shares[busiest] else None


def _taken(loads: Loads, nodes: Nodes, placed: Placed) -> dict[str, float]:
    taken = dict.fromkeys(nodes, 0.0)
    for camera, node in placed.items():
        taken[node] += _of(loads, camera)
    return taken


def _of(loads: Loads, camera: str) -> float:
    return max(loads[camera], LEAST_LOAD)
