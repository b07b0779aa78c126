"""Engines whose layers are timed, and what is required of every backend's times."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.node_times import NodeTimes, profile_nodes
from edgeseg.engines.request import Request
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration
from edgeseg.manifest import read_manifest
from edgeseg.scenes.pictures import pictures
from edgeseg.spec import Precision

RUNS = 3
EXACT = {"openvino": {"computes_in": "f32"}}  # random networks in bfloat16 are not always near enough
ANY_DROP = 100.0  # random weights say nothing of accuracy


def times_of(model: Path, folder: Path, backend: str, precision: Precision = "fp32") -> NodeTimes:
    """Build an engine of a portable model for one thread, and time its nodes on pictures."""
    wanted = PortableModel.read(model).spec.input
    images = pictures(range(2), (wanted.height, wanted.width))
    build_engine(
        model,
        folder,
        request=Request(backend, precision, threads=1, options=EXACT.get(backend, {})),
        calibration=Calibration(images, max_drop=ANY_DROP) if precision == "int8" else None,
        passes=False,
    )
    return profile_nodes(folder, read_manifest(folder), list(images[:, None]), runs=RUNS)


def flop_by_module(times: NodeTimes) -> dict[str | None, int]:
    """Add up the arithmetic of each module that has any; that of every node must be known."""
    found: Counter[str | None] = Counter()
    for node in times.nodes:
        assert node.flop is not None, node
        found[node.module] += node.flop
    return {module: flop for module, flop in found.items() if flop}


def check_times(times: NodeTimes) -> None:
    """Check what holds of every library: parts make up the whole, and only the whole has more to do."""
    assert times.threads == 1
    assert all(node.time_ms >= 0 for node in times.nodes)
    # of the whole, what is between nodes is missing; medians may lie a little above it
    assert 0 < sum(node.time_ms for node in times.nodes) < 2 * times.run_ms
    assert len({(node.name, node.operator) for node in times.nodes}) == len(times.nodes)
    assert all(node.moved_bytes is None or node.moved_bytes >= 0 for node in times.nodes)


def check_unet(times: NodeTimes, convolutions: set[str]) -> None:
    """Check the nodes of the small U-Net by hand: each convolution of the network is one of the library's.

    Args:
        convolutions: what the library calls them.
    """
    check_times(times)
    heavy = {node.module: node for node in times.nodes if node.operator in convolutions}
    # width 4, depth 2, 3 classes on 64 x 96 pixels; the last convolution is of 1 x 1
    pixels = 64 * 96
    by_hand = {
        "inc.double_conv.0": 2 * pixels * 4 * 3 * 9,
        "inc.double_conv.3": 2 * pixels * 4 * 4 * 9,
        "down1.maxpool_conv.1.double_conv.0": 2 * pixels // 4 * 8 * 4 * 9,
        "up1.conv.double_conv.0": 2 * pixels // 4 * 8 * 16 * 9,
        "outc.conv": 2 * pixels * 3 * 4,
    }
    assert {name: node.flop for name, node in heavy.items() if name in by_hand} == by_hand
    assert {heavy[name].precision for name in by_hand} == {"fp32"}
    assert "int8" not in {node.precision for node in times.nodes}  # though pixels and labels have 8 bits
    moved = heavy["inc.double_conv.0"].moved_bytes
    assert moved is not None
    # three float channels in, four out, and the weights; a library may lay channels out in blocks of 16
    assert 4 * pixels * (3 + 4) <= moved <= 4 * pixels * (16 + 16) + 4 * 16 * 16 * 9
    assert np.isfinite([node.time_ms for node in times.nodes]).all()
