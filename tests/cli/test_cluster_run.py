"""What `edgeseg run --ray` refuses before any cluster is joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.cli import status_of
from edgeseg.cli.cluster_run import for_nodes
from edgeseg.runtime.settings import SiteSettings, StreamSettings, ZoneSettings
from tests.cli.sites import TWO, written

pytest.importorskip("pydantic", reason="the extra `streams` is not installed")


def test_paths_are_those_of_all_nodes() -> None:
    zone = ZoneSettings("door", "person", outputs=("events.jsonl", "mqtt://broker/events"))
    streams = (
        StreamSettings("street.mp4", outputs=("out/", "/results/a.jsonl"), zones=(zone,)),
        StreamSettings("rtsp://camera/1", "gate"),
    )
    street, gate = for_nodes(SiteSettings("engine", streams)).streams
    here = Path.cwd()
    assert (street.name, street.source) == ("street", str(here / "street.mp4"))
    assert street.outputs == (f"{here}/out/", "/results/a.jsonl")
    assert street.zones[0].outputs == (str(here / "events.jsonl"), "mqtt://broker/events")
    assert gate.source == "rtsp://camera/1"
    assert for_nodes(SiteSettings("engine", streams)).engine == str(here / "engine")


def test_what_is_of_one_machine_is_refused(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, f"{TWO}[serve]\nport = 0\n")
    assert status_of(["run", "--config", str(config), "--ray", "auto"]) == 2
    assert "take --status" in capfd.readouterr().err
    assert status_of(["run", str(engine), "/dev/video0", "-o", "a.jsonl", "--ray", "auto", "--check"]) == 2
    assert "/dev/video0 is a device of one machine" in capfd.readouterr().err
    pipeline = "gst:v4l2src device=/dev/video0 ! videoconvert ! appsink"
    assert status_of(["run", str(engine), pipeline, "-o", "a.jsonl", "--ray", "auto", "--check"]) == 2
    assert "is a device of one machine" in capfd.readouterr().err
    assert status_of(["run", str(engine), "rtsp://camera/1", "--frames", "3", "--ray", "auto"]) == 2
    assert "leave them out with --ray" in capfd.readouterr().err
    assert status_of(["run", str(engine), "rtsp://camera/1", "--status", "a.json"]) == 2
    assert "goes with --ray" in capfd.readouterr().err


def test_a_site_is_checked_before_a_cluster_is_joined(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, TWO)
    assert status_of(["run", "--config", str(config), "--ray", "auto", "--check"]) == 0
    assert "2 streams: nothing is wrong" in capfd.readouterr().out
    config.write_text(f"threads = 1024\n{TWO}")  # nodes may have as many cores
    assert status_of(["run", "--config", str(config), "--ray", "auto", "--check"]) == 0
    assert status_of(["run", "--config", str(config), "--check"]) == 2
    capfd.readouterr()
    config.write_text(TWO.replace('name = "two"', 'name = "two"\nclasses = ["nobody"]'))
    assert status_of(["run", "--config", str(config), "--ray", "auto"]) == 2
    assert "site.toml:8: streams[1].classes cannot be used" in capfd.readouterr().err


def test_a_cluster_that_is_not_there_is_one_line(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray")
    config = written(tmp_path, TWO)
    assert status_of(["run", "--config", str(config), "--ray", "127.0.0.1:1"]) == 2
    assert "there is no Ray cluster at '127.0.0.1:1'" in capfd.readouterr().err
