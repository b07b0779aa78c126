"""Tell from a command what it must have written, and look at that."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import cv2

from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import read_manifest
from tests.batch.archives import rows_of

FRAMES = 6  # of street.mp4, and of every other source of the pages


def check(arguments: list[str], folder: Path) -> None:
    """Look at what an edgeseg command was told to write.

    Args:
        arguments: of the command, such as `["run", "engine", "street.mp4", "-o", "x.mp4"]`.
        folder: where it ran.
    """
    values = list(pairwise(arguments))
    outputs = [value for option, value in values if option in ("-o", "--output")]
    reports = [value for option, value in values if option == "--json"]
    asked = {option: value for option, value in values if option in ("--backend", "--precision")}
    for output in outputs:
        path = folder / output
        match path.suffix:
            case ".onnx":
                assert PortableModel.read(path).spec.class_names
            case ".edgeseg":
                assert path.stat().st_size > 0
            case ".mp4":
                assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
            case ".jsonl":
                lines = path.read_text().splitlines()
                assert [json.loads(line)["index"] for line in lines] == list(range(FRAMES))
            case _ if output.endswith("/"):
                assert len(list(path.glob("*.png"))) == FRAMES
            case _ if arguments[0] == "evaluate":
                check_evaluation(path)
            case _ if "triton" in arguments:
                assert {one.parent.name for one in path.glob("*/config.pbtxt")} == {"unet", "unet_network"}
            case _ if arguments[0] == "batch":
                check_table(path)
            case _:
                check_engine(path, asked)
    for report in reports:
        check_times(json.loads((folder / report).read_text()))


def check_engine(path: Path, asked: dict[str, str]) -> None:
    """Look at an engine: sound, and of the backend and the precision that were asked for."""
    manifest = read_manifest(path, check_files=True)
    found = {"--backend": manifest.backend, "--precision": manifest.precision}
    for option, value in asked.items():
        assert found[option] == value or value == "auto"


def check_evaluation(path: Path) -> None:
    """Look at an evaluation: figures of a trained network, and pictures."""
    figures = json.loads((path / "report.json").read_text())["figures"]
    assert next(iter(figures.values()))["value"] > 0.5
    assert cv2.imread(str(path / "confusion.png")) is not None
    assert list((path / "worst").glob("*.png"))


def check_table(path: Path) -> None:
    """Look at an archive's results: the street's frames among them, and none that failed."""
    rows = rows_of(path)
    assert sum(row["source"] == "street.mp4" for row in rows) == FRAMES
    assert not any(row["error"] for row in rows)


def check_times(profile: dict[str, dict[str, float]]) -> None:
    """Look at a profile: its percentiles are times, in order."""
    for times in (profile["infer_ms"], profile["latency_ms"]):
        assert 0 < times["p50"] <= times["p90"] <= times["p99"]
