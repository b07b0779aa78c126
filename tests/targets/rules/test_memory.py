"""Memory is that of the weights and of what is alive at once; devices that have less are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeseg.graph.portable import PortableModel
from edgeseg.spec import Precision
from edgeseg.targets.mending import Mending
from edgeseg.targets.registry import target_of
from edgeseg.targets.rules.memory import memory_findings, memory_of
from tests.targets.small_graphs import graph, node, save

GIB = 1 << 30
PICTURE = 4 * 16 * 16 * 4  # bytes of a picture of 4 channels in float32


def read(path: Path) -> ir.Model:
    return PortableModel.read(path).model


@pytest.mark.parametrize(("precision", "divisor"), [(None, 1), ("fp32", 1), ("fp16", 2), ("int8", 4)])
def test_a_convolution_takes_its_weights_and_both_pictures(
    precision: Precision | None, divisor: int, tmp_path: Path
) -> None:
    weights = np.zeros((4, 4, 1, 1), np.float32)
    path = save(graph([node("Conv", ["x", "w"], ["y"])], constants={"w": weights}), tmp_path)
    assert memory_of(read(path), precision) == (weights.nbytes + 2 * PICTURE) // divisor


def test_an_activation_needs_nothing_of_its_own_and_a_skip_keeps_what_it_skips(tmp_path: Path) -> None:
    chain = graph([node("Relu", ["x"], ["a"]), node("Relu", ["a"], ["y"])])
    skip = graph([node("Relu", ["x"], ["a"]), node("Add", ["a", "x"], ["y"])])
    assert memory_of(read(save(chain, tmp_path)), None) == PICTURE
    assert memory_of(read(save(skip, tmp_path)), None) == 2 * PICTURE


def test_sizes_that_are_not_known_count_as_nothing(tmp_path: Path) -> None:
    path = save(graph([node("NonZero", ["x"], ["y"])]), tmp_path)
    assert memory_of(read(path), None) == PICTURE


def test_devices_with_less_are_named_and_refused_where_all_have_less() -> None:
    target = target_of("jetpack6")
    mending = Mending(Path("m.onnx"), None, target)
    assert list(memory_findings(GIB, target, mending)) == []
    (some,) = memory_findings(6 * GIB, target, mending)
    assert some.kind == "noted"
    assert some.why == "weights and tensors take 6.0 GiB, more than Jetson Orin Nano 4GB (4 GB) has"
    (none,) = memory_findings(65 * GIB, target, mending)
    assert none.kind == "refused"
    assert "Jetson AGX Orin 64GB (64 GB)" in none.why
    assert list(memory_findings(65 * GIB, target_of("ort-1.20"), mending)) == []
