"""`edgeseg inspect MODEL --target TARGET` says what will be refused, how to mend it, and ends with 1 or 0."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from edgeseg.cli import status_of
from edgeseg.json_schema import json_schema
from edgeseg.targets.findings import TargetReport
from edgeseg.targets.registry import targets
from tests.targets.small_graphs import conv, graph, node, save


def test_what_is_refused_is_a_line_with_the_command_below_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(conv(), tmp_path)
    assert status_of(["inspect", str(path), "--target", "dla"]) == 1
    head, refused, command, *rest = capsys.readouterr().out.splitlines()
    assert head == f"{path} for the DLA of Jetson AGX Orin with JetPack 7.2.2 or later (TensorRT 11.4.1)"
    assert refused.startswith(
        "refused: Conv conv (net.py:7, body.conv): the DLA computes in float16 and int8"
    )
    assert command.startswith(f"    edgeseg build {path} --backend tensorrt --dla-core 0 --precision fp16")
    assert rest[-1] == "dla refuses 1; known from documents alone; edgeseg has run on none of these devices"


def test_the_status_is_0_where_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(conv(), tmp_path)
    assert status_of(["inspect", str(path), "--target", "dla", "--precision", "fp16"]) == 0
    said = capsys.readouterr().out
    assert "(TensorRT 11.4.1) in fp16" in said
    assert "100% of the multiplications can run there" in said
    assert "dla refuses nothing" in said
    for name in targets():
        assert status_of(["inspect", str(path), "--target", name]) == (1 if name == "dla" else 0)


def test_what_moves_is_told_and_is_not_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = conv()
    made.graph.node[0].output[0] = "c"
    made.graph.node.append(node("Exp", ["c"], ["y"], "exp"))
    path = save(made, tmp_path)
    assert status_of(["inspect", str(path), "--target", "dla", "--precision", "fp16"]) == 0
    assert "elsewhere: Exp exp: the DLA has no Exp; it runs on the GPU" in capsys.readouterr().out


@pytest.mark.parametrize("precision", [[], ["--precision", "fp16"]])
def test_json_is_the_schemas(
    precision: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    path = save(conv(), tmp_path)
    status = status_of(["inspect", str(path), "--target", "dla", "--json", *precision])
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, json_schema(TargetReport))
    assert status == (1 if told["refused"] else 0)
    assert told["schema_version"] == 1
    if not precision:
        (finding,) = [one for one in told["findings"] if one["kind"] == "refused"]
        assert finding["places"] == [
            {"node": "conv", "operator": "Conv", "module": "body.conv", "source": "net.py:7"}
        ]
        assert shlex.split(finding["command"])[:2] == ["edgeseg", "build"]


def test_what_cannot_be_asked_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(graph([node("Relu", ["x"], ["y"])]), tmp_path)
    assert status_of(["inspect", str(path), "--precision", "fp16"]) == 2
    assert "--precision is for --target" in capsys.readouterr().err
    assert status_of(["inspect", str(tmp_path), "--target", "dla"]) == 2
    assert f"--target is for .onnx files, not for {tmp_path}" in capsys.readouterr().err
    assert status_of(["inspect", str(path), "--target", "jetpack5"]) == 2


def test_a_broken_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no graph")
    assert status_of(["inspect", str(path), "--target", "mnn-3"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
