"""A file's opset and IR version are refused above the highest that a target reads, and taken at it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.graph.portable import PortableModel
from edgeseg.targets.examine import examine
from edgeseg.targets.findings import Finding
from edgeseg.targets.mending import Mending
from edgeseg.targets.registry import target_of, versioned_targets
from tests.export.small_networks import unet
from tests.exported_models import ExportedModels
from tests.targets.small_graphs import graph, node, save

LIMITED = [name for name, target in versioned_targets().items() if target.opset is not None]


@pytest.mark.parametrize("name", LIMITED)
def test_an_opset_above_the_highest_is_refused(name: str, tmp_path: Path) -> None:
    limit = target_of(name).opset
    assert limit is not None
    for opset, expected in ((limit.highest, []), (limit.highest + 1, ["opset"])):
        path = save(graph([node("Relu", ["x"], ["y"])], opset=opset), tmp_path)
        found = examine(path, target_of(name), "fp16").findings
        assert [one.fault for one in found if one.fault == "opset"] == expected


def test_an_opset_that_nobody_knows_is_a_finding_and_no_error(tmp_path: Path) -> None:
    path = save(graph([node("Relu", ["x"], ["y"])], opset=99), tmp_path)
    finding = examine(path, target_of("ort-1.20")).findings[0]
    assert finding.why == "the graph is of opset 99; ONNX Runtime 1.20 reads up to 21"
    assert "export it at opset 21 or lower" in finding.mend


@pytest.mark.parametrize("name", LIMITED)
def test_the_command_converts_to_an_opset_that_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = target_of(name)
    assert target.opset is not None
    path = save(graph([node("Sigmoid", ["x"], ["y"])], opset=target.opset.highest + 1), tmp_path)
    finding = next(one for one in examine(path, target, "fp16").findings if one.fault == "opset")
    monkeypatch.chdir(tmp_path)
    _run(finding)
    converted = tmp_path / f"small-opset{target.opset.highest}.onnx"
    assert "opset" not in {one.fault for one in examine(converted, target, "fp16").findings}


def test_a_model_of_edgesegs_is_not_converted(exported: ExportedModels) -> None:
    path = exported(unet).path
    finding = Mending(path, PortableModel.read(path).spec, target_of("ort-1.20")).of_opset("why", 21, "who")
    assert finding.command is None
    assert finding.mend.endswith("then once more with edgeseg")


def test_the_command_writes_an_ir_version_that_is_read(tmp_path: Path) -> None:
    path = save(graph([node("Relu", ["x"], ["y"])], ir_version=11), tmp_path)
    (finding,) = examine(path, target_of("ort-1.20")).findings
    assert finding.why == "the file is of IR version 11; ONNX Runtime 1.20 reads up to 10"
    _run(finding)
    assert examine(path, target_of("ort-1.20")).findings == ()


def _run(finding: Finding) -> None:
    """Run a finding's command, by the Python of these tests."""
    assert finding.command is not None
    program, *words = shlex.split(finding.command)
    assert program == "python"
    subprocess.run([sys.executable, *words], check=True)
