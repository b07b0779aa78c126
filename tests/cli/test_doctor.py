"""`edgeseg doctor` names what is here, and what to install for the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeseg.cli import status_of
from edgeseg.frames.resize_kernel import fastest


def test_doctor_names_devices(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino")
    monkeypatch.setenv("EDGESEG_CRF_KERNEL", "numpy")
    assert status_of(["doctor", "--json", "-"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert len(findings["openvino_devices"]) == len(openvino.Core().available_devices)
    assert findings["openvino_devices"][0].startswith("CPU: ")
    assert findings["nvidia_gpu"]
    assert findings["crf_kernel_in_use"] == "numpy"
    assert findings["resize_kernel"] == fastest()


def test_a_folder_of_type_stubs_is_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeseg.cli.doctor import version_of

    (tmp_path / "stubs_alone").mkdir()
    (tmp_path / "stubs_alone" / "__init__.pyi").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert version_of("stubs_alone") is None


def test_doctor_installs_no_second_onnx_runtime() -> None:
    from edgeseg.cli.doctor import fix_for_part
    from edgeseg.engines.onnxruntime.doctor import fix_for_provider

    assert fix_for_part("build", ["onnx"]) == "pip install 'edgeseg[build]'"
    assert fix_for_part("export", ["torch", "onnx", "onnxruntime"]) == "pip install 'edgeseg[export,cpu]'"
    assert fix_for_part("export", []) == ""
    assert fix_for_provider("gpu", []) == "pip install 'edgeseg[gpu]'"
    assert fix_for_provider("gpu", ["onnxruntime"]) == "pip uninstall onnxruntime; pip install 'edgeseg[gpu]'"
