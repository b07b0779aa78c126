"""`edgeseg run --config` checks a file, runs what it asks for, and follows it when it changes."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from edgeseg.cli import status_of
from tests.cli.sites import STARTED_S, TWO, count, running, wait_for, written

pytest.importorskip("pydantic", reason="the extra `streams` is not installed")

pytestmark = pytest.mark.usefixtures("children_hear_signals")


def test_a_file_that_is_right_is_said_to_be(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["run", "--config", str(written(tmp_path, TWO)), "--check"]) == 0
    assert "2 streams: nothing is wrong" in capfd.readouterr().out
    assert not (tmp_path / "one.jsonl").exists()


def test_every_fault_is_listed(engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = """engine = "engine"
keep = "often"
[[streams]]
name = "one"
source = "ftp://camera"
outputs = ["a.avi", "b.jsonl", "engine/c.jsonl"]
classes = ["nobody"]
crf = true
tiles = "1x1"
[[streams]]
name = "one"
source = "rtsp://user:${EDGESEG_NOT_SET}@camera"
outputs = ["b.jsonl"]
track = true
[[streams.zones]]
name = "door"
class_name = "nobody"
outputs = ["events.txt"]
"""
    assert status_of(["run", "--config", str(written(tmp_path, text)), "--check"]) == 2
    said = [line.removeprefix(f"error: {tmp_path}/") for line in capfd.readouterr().err.splitlines()]
    assert [line.partition(" cannot be used")[0].partition(" is the name")[0] for line in said] == [
        "site.toml:2: keep",
        "site.toml:5: streams[0].source",
        "site.toml:6: streams[0].outputs[0]",
        "site.toml:6: streams[0].outputs[2]",
        "site.toml:7: streams[0].classes",
        "site.toml:8: streams[0].crf",
        "site.toml:9: streams[0].tiles",
        "site.toml:11: streams[1].name",
        "site.toml:12: streams[1].source",
        "site.toml:13: streams[1].outputs[0]",
        "site.toml:14: streams[1].track",
        "site.toml:15: streams[1].zones[0]",
        "site.toml:18: streams[1].zones[0].outputs[0]",
    ]
    assert status_of(["run", "--config", str(tmp_path / "site.toml")]) == 2


def test_a_check_looks_at_the_token_and_at_room_for_outputs(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "token").write_text("short")
    text = """engine = "engine"
[serve]
token_file = "token"
[[streams]]
name = "one"
source = "rtsp://127.0.0.1:9/camera"
outputs = ["file/one.jsonl", "one.png", "new/one.jsonl"]
[[streams.zones]]
name = "door"
class_name = "bright"
outputs = ["missing/events.jsonl"]
"""
    assert status_of(["run", "--config", str(written(tmp_path, text)), "--check"]) == 2
    said = [line.removeprefix(f"error: {tmp_path}/") for line in capfd.readouterr().err.splitlines()]
    assert [line.partition(" cannot be used")[0] for line in said] == [
        "site.toml:3: serve.token_file",
        "site.toml:7: streams[0].outputs[0]",
        "site.toml:7: streams[0].outputs[1]",
        "site.toml:11: streams[0].zones[0].outputs[0]",
    ]
    assert not (tmp_path / "new").exists()


def test_one_image_of_many_frames_is_refused_at_the_start(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["run", str(engine), "synthetic:64x48", "-o", str(tmp_path / "a.png")]
    assert status_of(command) == 2
    assert "takes one image" in capfd.readouterr().err
    assert not (tmp_path / "a.png").exists()
    assert status_of([*command, "--frames", "1", "--check"]) == 0
    assert status_of([*command, "--frames", "1"]) == 0
    assert (tmp_path / "a.png").exists()


def test_a_name_by_which_no_page_can_be_asked_for_is_found(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = f'{TWO}[serve]\nhosts = ["cameras.example.org", "https://cameras.example.org"]\n'
    assert status_of(["run", "--config", str(written(tmp_path, text)), "--check"]) == 2
    assert "serve.hosts[1] cannot be used: a host is a name such as" in capfd.readouterr().err


def test_options_beside_a_file_are_refused(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = str(written(tmp_path, TWO))
    assert status_of(["run", "--config", config, "--policy", "every"]) == 2
    assert "leave out --policy" in capfd.readouterr().err
    assert status_of(["run", str(engine)]) == 2


def test_several_sources_have_outputs_by_name(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sources = ["synthetic:64x48?frames=3", "synthetic:64x48?frames=5"]
    assert status_of(["run", str(engine), *sources, "-o", str(tmp_path / "r.jsonl")]) == 2
    assert "r-{name}.jsonl" in capfd.readouterr().err
    assert status_of(["run", str(engine), *sources, "-o", str(tmp_path / "{name}.jsonl")]) == 0
    assert count(tmp_path / "synthetic.jsonl") == 3
    assert count(tmp_path / "synthetic-2.jsonl") == 5
    assert "synthetic-2: 5 frames in" in capfd.readouterr().out


def test_the_report_says_what_was_shed(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["run", str(engine), "synthetic:64x48?frames=8", "-o", str(tmp_path / "v.mp4")]
    assert status_of([*command, "--budget-ms", "0.01"]) == 0
    assert "shed: no overlay in " in capfd.readouterr().out


def test_a_site_has_a_page(engine: Path, tmp_path: Path) -> None:
    for package in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(package)
    said = tmp_path / "said.txt"
    with running(written(tmp_path, f"{TWO}[serve]\nport = 0\n"), said) as process:
        wait_for(lambda: "page: http://127.0.0.1:" in said.read_text())
        address = said.read_text().partition("page: ")[2].split()[0]
        with urllib.request.urlopen(f"{address}api/streams", timeout=STARTED_S) as answer:
            text = answer.read().decode()
        assert '"one"' in text
        assert '"two"' in text
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STARTED_S)
    assert process.returncode == 130


def test_a_stream_that_did_not_change_runs_on_without_a_gap(engine: Path, tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{name}.jsonl" for name in ("one", "two", "three"))
    config = written(tmp_path, TWO)
    said = tmp_path / "said.txt"
    with running(config, said) as process:
        wait_for(lambda: count(one) > 2 and count(two) > 2)
        config.write_text(TWO + "sorce = 1\n")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "all goes on as before" in said.read_text())
        before = count(one)
        wait_for(lambda: count(one) > before + 2)
        config.write_text(TWO.replace("two.jsonl", "three.jsonl"))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: count(three) > 2)
        before = count(one)
        wait_for(lambda: count(one) > before + 2)
        asked_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=STARTED_S)
        took_s = time.monotonic() - asked_s
    err = said.read_text()
    assert process.returncode == 130, err
    assert took_s < 10.0  # 2 s on an idle machine; the interpreter's own end included
    assert "sorce is not known; did you mean source?" in err
    assert "one as before; two started anew" in err
    indices = [json.loads(line)["index"] for line in one.read_text().splitlines()]
    assert indices == list(range(len(indices)))
    assert json.loads(three.read_text().splitlines()[0])["index"] == 0
    assert "one: " in out
