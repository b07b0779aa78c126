"""An engine or a package is profiled over a real SSH server, and failures on the way are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg import __version__
from edgeseg.errors import EngineError, RemoteError, UsageError
from edgeseg.manifest import read_manifest, replace_manifest
from edgeseg.remote.profile import profile_on
from tests.runtime.profiling.reports import a_profile
from tests.runtime.tiny_models import labels_engine

from .conftest import Server
from .test_device import doctor

FEW = ("--frames", "5", "--warmup", "1")


def test_a_package_is_built_verified_and_profiled(server: Server, tmp_path: Path) -> None:
    """The device is a stand-in, which keeps to the order of the commands."""
    report = tmp_path / "report.json"
    report.write_text(json.dumps(a_profile().to_json_value()))
    steps = f"""
case $1 in
    doctor) {doctor(__version__)}
    ;;
    build) [ -f "$2" ] && mkdir "$4" ;;
    verify) [ -d "$2" ] && echo "parity passed on 2 images" ;;
    profile) cat {report} ;;
esac"""
    server.put("edgeseg", steps)
    packed = tmp_path / "unet.edgeseg"
    packed.write_bytes(b"PK")
    said: list[str] = []
    found = profile_on(server.device, packed, "synthetic:64x48", say=said.append)
    assert found.verified == "parity passed on 2 images"
    assert found.report == replace(a_profile(), on="loopback", engine="unet.edgeseg")
    assert [line for line in said if line.startswith("loopback: edgeseg ")] == [
        f"loopback: edgeseg {command}" for command in ("build", "verify", "profile")
    ]
    assert server.left_behind == []


def test_an_engine_and_frames_that_are_here_are_copied(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is a stand-in, which lists what it was given."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("one picture.png", np.zeros((48, 64, 3), np.uint8))
    engine = labels_engine(tmp_path / "engine")
    (engine / "notes.txt").write_text("not of the engine")
    listing = 'echo "$@" >&2; (cd $2/.. && find . -type f >&2); [ $1 = verify ]'
    server.put("edgeseg", f"if [ $1 = doctor ]; then {doctor(__version__)}\nelse {listing}; fi")
    said: list[str] = []
    with pytest.raises(RemoteError, match="edgeseg profile failed on loopback"):
        profile_on(server.device, engine, "one picture.png", options=FEW, say=said.append)
    lines = [line.removeprefix("loopback: ") for line in said]
    assert {"./engine/manifest.json", "./engine/model.onnx", "./source/one picture.png"} <= set(lines)
    assert "./engine/notes.txt" not in lines
    assert any(line.endswith("source/one picture.png --json - --frames 5 --warmup 1") for line in lines)
    assert server.left_behind == []


def test_an_engine_of_another_processor_is_refused(server: Server, tmp_path: Path) -> None:
    server.put("edgeseg", doctor(__version__))
    engine = labels_engine(tmp_path / "engine")
    manifest = read_manifest(engine)
    replace_manifest(engine, replace(manifest, built_on={"cpu": "Cortex-A76"}))
    with pytest.raises(
        RemoteError, match=r"was built for Cortex-A76, loopback has .*give the package instead"
    ):
        profile_on(server.device, engine, "synthetic:64x48")
    assert server.left_behind == []


def test_what_fails_there_is_quoted_and_nothing_is_left_behind(server: Server, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("nonsense")
    refusal = "echo 'error: model.onnx is no portable model' >&2; exit 1"
    server.put("edgeseg", f"if [ $1 = doctor ]; then {doctor(__version__)}\nelse {refusal}; fi")
    with pytest.raises(
        RemoteError, match=r"edgeseg build failed on loopback: model\.onnx is no portable model"
    ):
        profile_on(server.device, tmp_path / "model.onnx", "synthetic:64x48")
    assert server.left_behind == []


@pytest.mark.parametrize(
    ("printed", "said"),
    [("nothing", "loopback gave no report"), ('{"schema_version": 99}', "the same version of edgeseg")],
)
def test_a_report_that_cannot_be_read_is_told(
    server: Server, tmp_path: Path, printed: str, said: str
) -> None:
    report = f"echo '{printed}'"
    server.put("edgeseg", f"if [ $1 = doctor ]; then {doctor(__version__)}\nelse {report}; fi")
    with pytest.raises(RemoteError, match=said):
        profile_on(server.device, labels_engine(tmp_path / "engine"), "synthetic:64x48")


def test_what_is_not_there_is_refused_before_any_connection(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give an engine's folder, or a package"):
        profile_on("nowhere", tmp_path / "missing.edgeseg", "synthetic:64x48")
    with pytest.raises(EngineError, match=r"manifest\.json"):
        profile_on("nowhere", tmp_path, "synthetic:64x48")
