"""A backend is added by a folder alone: every part of edgeseg finds it there, and nothing else names it.

The folder is `toy_backend/toy`, put beside edgeseg's own in a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import pytest
from onnx import TensorProto, helper

from edgeseg.manifest import read_manifest
from tests.export import small_networks
from tests.exported_models import ExportedModels

FOLDER = Path(__file__).parent / "toy_backend"
PROGRAM = """
import contextlib, io, json, sys
import edgeseg.engines
edgeseg.engines.__path__.append(sys.argv[1])
from edgeseg.cli import status_of

said = []
for arguments in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = status_of(arguments)
    said.append((status, " ".join(out.getvalue().split()), " ".join(err.getvalue().split())))
print(json.dumps(said))
"""


class Said(NamedTuple):
    """What a command said, in one line each."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def folder(exported: ExportedModels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands run: with a network, and a graph that the toy refuses."""
    path = tmp_path_factory.mktemp("toy")
    shutil.copyfile(exported(small_networks.unet, output_kind="labels").path, path / "unet.onnx")
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Erf", ["x"], ["y"], "erf_1")], "erf", value[:1], value[1:])
    onnx.save(helper.make_model(graph), path / "erf.onnx")
    (path / "la.txt").write_text("la la")
    return path


def said(folder: Path, *commands: str) -> list[Said]:
    """Run commands one after another where the toy is, each written as on a command line."""
    arguments = json.dumps([command.split() for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(FOLDER), arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Said(*entry) for entry in json.loads(done.stdout)]


def test_help_and_doctor_name_it(folder: Path) -> None:
    helped, text, found, run = said(folder, "build --help", "doctor", "doctor --json -", "run --help")
    assert re.search(r"\|toy\|[a-z_|]*auto", helped.out)
    assert "toy cpu, shelf" in helped.out
    assert "--loudness INTEGER RANGE Toy: how loud. [1<=x<=9]" in helped.out
    assert "--song PATH Toy: a text to sing." in helped.out
    assert "Toy" in text.out
    assert "missing: toy_library" in text.out
    assert "edgeseg[toy]" in text.out.replace(" ", "")
    (part,) = [part for part in json.loads(found.out)["parts"] if part["purpose"] == "Toy"]
    assert part == {"purpose": "Toy", "extra": "toy", "versions": {"toy_library": None}}
    assert "shelf" in run.out


def test_what_it_lacks_and_what_others_lack_is_wrong_usage(folder: Path) -> None:
    build = "build unet.onnx -o nothing"
    loud, hint, half, device, automatic, outside = said(
        folder,
        f"{build} --loudness 3",
        f"{build} --backend toy --hint latency",
        f"{build} --backend toy --precision fp16",
        f"{build} --backend toy --device cuda",
        f"{build} --backend auto --workspace 8",
        f"{build} --backend toy --loudness 10",
    )
    assert (loud.status, loud.err) == (2, "error: ONNX Runtime has no --loudness; --loudness is for toy")
    assert (hint.status, hint.err) == (2, "error: Toy has no --hint; --hint is for openvino")
    assert half.status == 2
    assert "toy does not compute in 'fp16'; that is for onnxruntime and openvino" in half.err
    assert (device.status, device.err) == (2, "error: Toy has no device 'cuda'; it has cpu, shelf")
    assert automatic.status == 2
    assert "and toy; --workspace is for tensorrt and tensorrt_rtx" in automatic.err
    assert outside.status == 2
    assert not (folder / "nothing").exists()


def test_its_engine_is_built_proven_opened_and_run(folder: Path) -> None:
    built, ran, verified, inspected, refused = said(
        folder,
        "build unet.onnx --backend toy --loudness 3 -o engine",
        "run engine synthetic:64x48 --frames 2 -o result.jsonl",
        "verify engine",
        "inspect engine",
        "inspect erf.onnx --target toy",
    )
    assert built.status == 0, built.err
    assert "it plays at volume 3 on the cpu" in built.out
    assert "parity passed" in built.out
    assert read_manifest(folder / "engine").options["volume"] == 3
    assert ran.status == 0, ran.err
    assert len((folder / "result.jsonl").read_text().splitlines()) == 2
    assert verified.status == 0, verified.err
    assert "toy 1" in inspected.out
    assert "Erf erf_1: has no toy; use Tanh" in refused.out


def test_a_manifest_is_checked_by_its_options(folder: Path) -> None:
    said(folder, "build unet.onnx --backend toy -o changed")
    path = folder / "changed" / "manifest.json"
    parsed: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps({**parsed, "options": {**parsed["options"], "volume": 11}}))
    (ran,) = said(folder, "run changed synthetic:64x48 --frames 1")
    assert ran.status == 1
    assert "is not a manifest: options.volume must be 1 to 9, got 11; build the engine again" in ran.err


def test_auto_measures_it_beside_the_others(folder: Path) -> None:
    (built,) = said(folder, "build unet.onnx --backend auto --threads 1 -o fastest")
    assert built.status == 0, built.err
    assert "backend toy, version 1: " in built.out
    assert "backend onnxruntime, version " in built.out


def test_a_package_carries_its_options_and_files(folder: Path) -> None:
    packed, built, quieter, other = said(
        folder,
        "build unet.onnx --package --backend toy --loudness 4 --song la.txt -o unet.edgeseg",
        "build unet.edgeseg -o unpacked",
        "build unet.edgeseg --loudness 2 -o quieter",
        "build unet.edgeseg --backend onnxruntime --threads 1 -o other",
    )
    for one in (packed, built, quieter, other):
        assert one.status == 0, one.err
    options = read_manifest(folder / "unpacked").options
    assert (options["volume"], options["song"]) == (4, "la la")
    assert read_manifest(folder / "quieter").options["volume"] == 2
    assert read_manifest(folder / "other").backend == "onnxruntime"


def test_where_it_is_not_its_engine_is_refused_by_name(folder: Path) -> None:
    from edgeseg.engines.backend import open_backend
    from edgeseg.errors import EngineError

    said(folder, "build unet.onnx --backend toy -o away")
    with pytest.raises(
        EngineError, match=r"built for the backend 'toy', this edgeseg runs mnn, ncnn, onnxruntime, op"
    ):
        open_backend(folder / "away", read_manifest(folder / "away"))
