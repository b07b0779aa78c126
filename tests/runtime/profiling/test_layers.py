"""Where the time of an inference goes, beside what the machine can do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeseg.engines.node_times import NodeTime, NodeTimes
from edgeseg.errors import UsageError
from edgeseg.manifest import read_manifest, seal
from edgeseg.nodes.table import NODES_NAME, GraphNode, NodeTable
from edgeseg.records import from_json_value, to_json_value
from edgeseg.runtime.profiling import layers
from edgeseg.runtime.profiling.ceilings import Ceilings
from edgeseg.runtime.profiling.layers import LayerProfile, layer_profile
from tests.runtime.tiny_models import labels_engine

pytest.importorskip("onnxruntime")

DARK = np.zeros((1, 32, 48, 3), np.uint8)
NODES = (
    NodeTime(
        "conv1", "Conv", "fp32", 4.0, "stem", 200_000_000, 10_000_000
    ),  # 2 ms of arithmetic, 1 of memory
    NodeTime("reorder", "Reorder", "fp32", 1.0, None, 0, 5_000_000),
    NodeTime("conv2", "Conv", "bf16", 2.0, "stem", 100_000_000, 1_000_000),
    NodeTime("nms", "Nms", "int64", 3.0, "head", None, None),
)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every engine's library tell the same of its nodes, on a machine of known speed."""
    monkeypatch.setattr(
        layers, "profile_nodes", lambda *_, **__: NodeTimes(NODES, 11.0, 2, ("counted by hand",))
    )
    ceilings = Ceilings({"fp32": 100.0}, copy_gbs=10.0, threads=2)
    monkeypatch.setattr(layers, "measure_ceilings", lambda *_, **__: ceilings)


@pytest.fixture
def profile(told: None, tmp_path: Path) -> LayerProfile:
    return layer_profile(labels_engine(tmp_path / "engine"), [DARK], runs=2)


def test_each_layer_stands_beside_its_roofline(profile: LayerProfile) -> None:
    conv, reorder, other, nms = profile.layers
    assert (conv.time_ms, conv.share, conv.gflop, conv.mbytes) == (4.0, 0.4, 0.2, 10.0)
    assert (conv.gflops, conv.gbs) == (pytest.approx(50.0), pytest.approx(2.5))
    assert (conv.roofline_ms, conv.bound, conv.efficiency) == (2.0, "arithmetic", 0.5)
    assert (reorder.roofline_ms, reorder.bound, reorder.efficiency) == (0.5, "memory", 0.5)
    assert (other.roofline_ms, other.bound, other.efficiency) == (None, None, None)  # no ceiling of bf16
    assert (nms.gflop, nms.mbytes, nms.gflops, nms.roofline_ms) == (None, None, None, None)


def test_the_whole_is_the_sum_and_efficiency_is_of_what_has_a_roofline(profile: LayerProfile) -> None:
    assert (profile.layers_ms, profile.profiled_ms) == (10.0, 11.0)
    assert profile.unprofiled_ms > 0
    assert profile.mapped_share == pytest.approx(0.9)
    assert profile.gflop == pytest.approx(0.3)
    assert profile.roofline_ms == pytest.approx(2.5)
    assert profile.efficiency == pytest.approx(2.5 / 5.0)
    assert profile.roofline_is_of == "layers of 50 % of the time"


def test_a_roofline_of_nearly_all_of_the_time_is_of_all_layers(profile: LayerProfile) -> None:
    conv, reorder, *_ = profile.layers
    known = (replace(conv, share=0.9), replace(reorder, share=0.06))
    assert replace(profile, layers=known).roofline_is_of == "all layers"


def test_operators_and_modules_share_the_same_time_the_slowest_first(profile: LayerProfile) -> None:
    assert [(group.name, group.time_ms, group.nodes) for group in profile.operators] == [
        ("Conv", 6.0, 2),
        ("Nms", 3.0, 1),
        ("Reorder", 1.0, 1),
    ]
    assert [(group.name, group.time_ms) for group in profile.modules] == [
        ("stem", 6.0),
        ("head", 3.0),
        ("", 1.0),
    ]
    assert sum(group.share for group in profile.modules) == pytest.approx(1.0)


def test_notes_say_what_is_missing(profile: LayerProfile) -> None:
    by_hand, no_modules, no_sizes, no_product = profile.notes
    assert by_hand == "counted by hand"
    assert "does not say which modules its nodes are from; build it again" in no_modules
    assert "layers that took 30 % of the time onnxruntime does not tell all sizes" in no_sizes
    assert no_product == "no matrix product of onnxruntime in bf16 was measured"


def test_a_table_without_the_sizes_of_weights_is_told(told: None, tmp_path: Path) -> None:
    """As tables were of int8 and fp16 engines once."""
    folder = labels_engine(tmp_path / "engine")
    conv = GraphNode("conv", "Conv", "stem", ("x",), ("y",), None, None, 9)
    (folder / NODES_NAME).write_text(NodeTable((conv, replace(conv, weight_shape=(1, 3, 1, 1)))).to_json())
    manifest = read_manifest(folder)
    seal(folder, replace(manifest, files={**manifest.files, NODES_NAME: ""}))
    said = " ".join(layer_profile(folder, [DARK], runs=2).notes)
    assert "does not say how large the weights of 1 of its convolutions are" in said
    assert "which modules" not in said


def test_json_gives_the_same_back(profile: LayerProfile) -> None:
    assert from_json_value(LayerProfile, json.loads(json.dumps(to_json_value(profile)))) == profile


@pytest.mark.usefixtures("told")
def test_ceilings_can_be_left_out(tmp_path: Path) -> None:
    profile = layer_profile(labels_engine(tmp_path / "engine"), [DARK], runs=1, ceilings=False)
    assert (profile.ceilings, profile.roofline_ms, profile.efficiency) == (None, None, None)


def test_a_real_engine_is_profiled(tmp_path: Path) -> None:
    profile = layer_profile(labels_engine(tmp_path / "engine"), [DARK], threads=1, runs=2, ceilings=False)
    assert profile.backend == "onnxruntime"
    assert profile.threads == 1
    assert profile.layers
    assert sum(layer.share for layer in profile.layers) == pytest.approx(1.0)


def test_no_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one batch"):
        layer_profile(labels_engine(tmp_path / "engine"), [])
