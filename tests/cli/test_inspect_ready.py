"""`edgeseg inspect` of graphs that edgeseg did not make: what they take, and what exports them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeseg.cli import app
from tests.export.ready.ready_files import tiny, write_onnx, write_program, write_torchscript

WRITE = {"ready.onnx": write_onnx, "ready.pt2": write_program, "ready.pt": write_torchscript}


@pytest.mark.parametrize("name", WRITE)
def test_a_graph_says_what_it_takes_and_how_to_export_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    WRITE[name](tiny(), Path(name))
    result = CliRunner().invoke(app, ["inspect", name, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    sizes = "anyx3xanyxany" if name == "ready.pt" else "1x3x32x48"
    assert found["input"].endswith(f": float32, NCHW, {sizes}")
    assert found.get("opset") == (18 if name == "ready.onnx" else None)
    assert found["preprocessing"]["channel order"] == "rgb (said by nobody, and is assumed)"
    command = shlex.split(found["export"])
    assert command[:3] == ["edgeseg", "export", name]
    if name == "ready.onnx":
        assert CliRunner().invoke(app, command[1:]).exit_code == 0
        assert Path("ready-edgeseg.onnx").is_file()
