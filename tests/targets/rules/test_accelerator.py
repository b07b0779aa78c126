"""What the DLA takes, and what is refused: float32, graphs without anything for it, or in too many pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto

from edgeseg.graph.portable import PortableModel
from edgeseg.targets.examine import examine
from edgeseg.targets.registry import target_of
from edgeseg.targets.rules.accelerator import split
from tests.targets.small_graphs import conv, graph, node, save

DLA = target_of("dla")


def test_float32_is_refused_and_the_command_builds_in_fp16(tmp_path: Path) -> None:
    path = save(conv(), tmp_path)
    (finding,) = examine(path, DLA).findings
    assert (finding.kind, finding.fault) == ("refused", "precision")
    assert finding.why == "the DLA computes in float16 and int8, not in float"
    assert finding.command == (
        f"edgeseg build {path} --backend tensorrt --dla-core 0 --precision fp16 -o small-fp16"
    )
    (place,) = finding.places
    assert (place.operator, place.module, place.source) == ("Conv", "body.conv", "net.py:7")
    assert examine(path, DLA, "fp32").refused == 1
    assert examine(path, DLA, "fp16").findings == ()
    assert examine(path, DLA, "int8").findings == ()
    assert examine(save(conv(half=True), tmp_path), DLA).findings == ()


def test_a_network_without_a_layer_for_it_is_refused(tmp_path: Path) -> None:
    path = save(conv(strides=[9, 9]), tmp_path)
    (refused,) = [one for one in examine(path, DLA, "fp16").findings if one.kind == "refused"]
    assert refused.why == "no layer with weights runs on the DLA"
    assert refused.command == f"edgeseg build {path} --backend tensorrt --precision fp16 -o small-fp16"
    assert examine(path, DLA, "fp16").accelerated == 0


def test_more_pieces_than_it_loads_are_refused(tmp_path: Path) -> None:
    def chain(length: int) -> Path:
        nodes = [node("Conv", ["x", "w"], ["c"])]
        for index in range(length):
            before = "c" if index == 0 else f"r{index - 1}"
            nodes += [node("Exp", [before], [f"e{index}"]), node("Relu", [f"e{index}"], [f"r{index}"])]
        nodes.append(node("Identity", [f"r{length - 1}"], ["y"]))
        return save(graph(nodes, constants={"w": np.zeros((4, 4, 1, 1), np.float32)}), tmp_path)

    assert examine(chain(15), DLA, "fp16").refused == 0
    report = examine(chain(16), DLA, "fp16")
    assert report.refused == 1
    assert "takes 16 parts of a graph; this falls into 17 or more" in report.findings[0].why


def test_long_sides_many_items_and_open_shapes_move(tmp_path: Path) -> None:
    for shape, said in (
        ((1, 4, 1, 8193), "sides of up to 8192"),
        ((4097, 4, 1, 1), "up to 4096 items"),
        ((1, 1, 4, 4, 4), "up to 4 axes"),
    ):
        path = save(graph([node("Relu", ["x"], ["y"])], shape=shape), tmp_path)
        assert any(said in why for why in _moved(path)), said


def test_whole_numbers_are_left_out(tmp_path: Path) -> None:
    path = save(graph([node("Add", ["x", "x"], ["y"])], kind=TensorProto.INT64), tmp_path)
    assert {one.fault for one in examine(path, DLA).findings} == {"operator"}


def _moved(path: Path) -> list[str]:
    assert DLA.accelerator is not None
    return [why for _, why in split(PortableModel.read(path).model, DLA.accelerator, "fp16").moved]
