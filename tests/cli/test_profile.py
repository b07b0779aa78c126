from __future__ import annotations

import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import status_of
from edgeseg.runtime.profiling.report import read_profile
from tests.runtime.profiling.reports import a_profile

QUICK = ["--frames", "6", "--warmup", "1"]


def test_the_output_says_where_each_figure_begins_and_ends(
    engine: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["profile", str(engine), str(image), *QUICK]) == 0
    said = capsys.readouterr()
    for span in ("capture to result", "capture to sink", "inference alone"):
        assert re.search(rf"^{span}: .*begins .* ends ", said.out, re.MULTILINE), span
    assert "first result after" in said.out
    assert "6 samples are too few: p50 needs 11" in said.err


def test_a_report_is_read_again_with_what_was_asked(engine: Path, image: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    assert status_of(["profile", str(engine), str(image), *QUICK, "--json", str(path)]) == 0
    report = read_profile(path)
    assert (report.scenario, report.engine, report.warmup.frames) == ("single-stream", "engine", 1)
    assert report.surroundings is not None
    assert report.first_result_ms is not None
    assert report.load_ms is not None
    assert report.first_result_ms > report.load_ms


def test_a_peak_of_memory_above_the_bound_is_told_after_the_report_and_status_1(
    engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profile.json"
    asked = ["profile", str(engine), str(image), *QUICK, "--json", str(path), "--max-memory"]
    assert status_of([*asked, "64GB"]) == 0
    assert status_of([*asked, "1MiB"]) == 1
    peak_mib = read_profile(path).peak_rss_mb
    assert f"({peak_mib:.0f} MiB), --max-memory allows 1 MB: build it with" in capsys.readouterr().err
    assert status_of([*asked, "400"]) == 2
    assert "such as 400MB" in capsys.readouterr().err


def test_a_report_says_how_frames_were_cut_and_is_no_baseline_of_others(
    engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profile.json"
    cut = ["profile", str(engine), str(image), *QUICK, "--tiles", "2x1"]
    assert status_of([*cut, "--json", str(path)]) == 0
    frames = read_profile(path).frames
    assert (frames.tiles, frames.tile_overlap, frames.crf_threads) == ("2x1", 0.25, None)
    capsys.readouterr()
    assert status_of([*cut, "--tile-overlap", "0.1", "--check", str(path)]) == 2
    said = capsys.readouterr()
    assert "overlap of tiles 0.25, now 0.1" in said.err
    assert said.out == ""


def test_results_are_written_and_the_way_there_measured(engine: Path, image: Path, tmp_path: Path) -> None:
    path, lines, maps = tmp_path / "profile.json", tmp_path / "out.jsonl", tmp_path / "maps"
    outputs = ["-o", str(lines), "-o", f"{maps}/"]
    assert status_of(["profile", str(engine), str(image), *QUICK, *outputs, "--json", str(path)]) == 0
    report = read_profile(path)
    assert report.sink_ms is not None
    assert report.sink_ms.samples == report.stages["sink"].samples == 6
    assert str(lines) in report.meaning["sink_ms"]
    assert [json.loads(line)["index"] for line in lines.read_text().splitlines()] == list(range(7))
    assert len(list(maps.glob("*.png"))) == 7
    assert cv2.imread(str(maps / "000006.png")) is not None


@pytest.mark.parametrize("scenario", [["multi-stream", "--streams", "3"], ["offline"]])
def test_scenarios_of_many_frames_at_once(
    scenario: list[str], engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profile.json"
    asked = ["--scenario", *scenario, "--json", str(path)]
    assert status_of(["profile", str(engine), str(image), *QUICK, *asked]) == 0
    report = read_profile(path)
    assert report.scenario == scenario[0]
    assert report.latency_ms.samples == 6 * (3 if report.streams == 3 else 2)
    assert scenario[0] in capsys.readouterr().out


def test_layers_are_measured_by_the_engines_own_library(
    engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profile.json"
    assert status_of(["profile", str(engine), str(image), *QUICK, "--layers", "--json", str(path)]) == 0
    report = read_profile(path)
    layers = report.layers
    assert layers is not None
    assert list(report.watched) == ["latency_ms", "infer_ms", "layers", "ceilings"]
    assert layers.layers
    assert layers.layers[0].operator in capsys.readouterr().out


def test_engines_are_compared_by_name(
    engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "comparison.json"
    assert status_of(["profile", str(engine), str(engine), str(image), *QUICK, "--json", str(path)]) == 0
    value = json.loads(path.read_text())
    assert [report["engine"] for report in value["profiles"]] == ["engine", "engine"]
    assert (value["rounds"], len(value["pairs"]), value["schema_version"]) == (6, 1, 1)
    assert "engine (1) and engine (2): capture to result " in capsys.readouterr().out


def test_an_engine_that_is_not_there_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["profile", "nosuch"]) == 1
    assert "nosuch does not exist; give an engine's folder" in capsys.readouterr().err


def test_json_on_the_standard_output_is_all_there(
    engine: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["profile", str(engine), str(image), *QUICK, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["schema_version"] == 1


def test_pictures_that_cannot_be_read_are_told_and_so_is_the_range_of_sizes(
    engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, path = tmp_path / "pictures", tmp_path / "profile.json"
    pictures.mkdir()
    (pictures / "a.jpg").write_bytes(b"broken")
    cv2.imwrite(str(pictures / "b.jpg"), np.zeros((428, 640, 3), np.uint8))
    cv2.imwrite(str(pictures / "c.jpg"), np.zeros((640, 640, 3), np.uint8))
    assert status_of(["profile", str(engine), str(pictures), *QUICK, "--json", str(path)]) == 0
    said = capsys.readouterr()
    assert f"{pictures} at 640x428 to 640x640" in said.out
    (line,) = [line for line in said.err.splitlines() if line.startswith("skipped: ")]
    assert "a.jpg" in line
    assert read_profile(path).skipped == (line.removeprefix("skipped: "),)


def slower_and_faster(engine: Path, image: Path, folder: Path) -> tuple[Path, Path]:
    """Baselines of this machine, half and twice as fast by their samples."""
    path = folder / "now.json"
    assert status_of(["profile", str(engine), str(image), *QUICK, "--json", str(path)]) == 0
    value = json.loads(path.read_text())
    paths = []
    for name, factor in (("slower", 1e3), ("faster", 1e-3)):
        changed = {span: [factor * one for one in each] for span, each in value["samples_ms"].items()}
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps({**value, "samples_ms": changed}))
    return paths[0], paths[1]


def test_a_regression_is_one_line_and_status_1(
    engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slower, faster = slower_and_faster(engine, image, tmp_path)
    capsys.readouterr()
    arguments = ["profile", str(engine), str(image), *QUICK, "--max-slowdown", "10", "--check"]
    assert status_of([*arguments, str(slower)]) == 0
    assert "slow" in capsys.readouterr().out
    assert status_of([*arguments, str(faster)]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert "slower than the baseline: capture to result takes +" in line


def test_a_baseline_of_another_machine_is_refused_unless_told_otherwise(
    engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(a_profile(scale=1e3).to_json_value()))
    arguments = ["profile", str(engine), str(image), *QUICK, "--check", str(path)]
    assert status_of(arguments) == 2
    said = capsys.readouterr()
    assert "the baseline is of something else: processor a processor, now" in said.err
    assert said.out == ""  # nothing was measured
    assert status_of([*arguments, "--check-anyway"]) == 0


def test_a_baseline_of_another_source_is_refused_before_anything_is_measured(
    engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slower, _ = slower_and_faster(engine, image, tmp_path)
    capsys.readouterr()
    arguments = [*QUICK, "--check", str(slower)]
    assert status_of(["profile", str(engine), "synthetic:64x48", *arguments]) == 2
    said = capsys.readouterr()
    assert f"source {image.resolve()}, now synthetic:" in said.err
    assert said.out == ""
    assert status_of(["profile", str(engine), os.path.relpath(image), *arguments]) == 0


def test_a_baseline_is_not_written_over(
    engine: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slower, _ = slower_and_faster(engine, image, tmp_path)
    before = slower.read_bytes()
    linked = tmp_path / "linked.json"
    linked.symlink_to(slower)
    for option, path in (("--json", slower), ("--html", slower), ("--json", linked)):
        arguments = ["profile", str(engine), str(image), *QUICK, "--check", str(slower), option, str(path)]
        assert status_of(arguments) == 2
        assert f"{option} {path} is read by this command" in capsys.readouterr().err
    assert slower.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ENGINE", "a.mp4", "b.mp4"], "a.mp4 is no engine"),
        (["ENGINE", "--streams", "2"], "--streams counts the cameras of --scenario multi-stream"),
        (["ENGINE", "--streams", "257", "--scenario", "multi-stream"], "--streams must be 1 to 256, got 257"),
        (["ENGINE", "-o", "x.mp4", "--scenario", "offline"], "latency to -o is measured of one frame"),
        (["ENGINE", "ENGINE", "--layers"], "--layers takes one engine, got 2"),
        (["ENGINE", "ENGINE", "--scenario", "offline"], "--scenario takes one engine, got 2"),
        (["ENGINE", "--check", "missing.json"], "missing.json cannot be read"),
        (["ENGINE", "ENGINE", "--frames", "2"], "5 frames at least, got 2"),
        (["ENGINE", "-o", "x.png"], "picture of one frame"),
        (["ENGINE", "--max-slowdown", "10"], "--max-slowdown is for --check FILE"),
        (["ENGINE", "--check-anyway"], "--check-anyway is for --check FILE"),
        (["ENGINE", "--json", "x.x", "--html", "./x.x"], "are both x.x; give each a file of its own"),
        (["ENGINE", "--json", "x.json", "-o", "x.json"], "--json and -o are both x.json"),
        (["ENGINE", "--html", "x.jsonl", "-o", "x.jsonl"], "--html and -o are both x.jsonl"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_measured(
    arguments: list[str], message: str, engine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [str(engine) if word == "ENGINE" else word for word in arguments]
    assert status_of(["profile", *words]) == 2
    assert message in capfd.readouterr().err
