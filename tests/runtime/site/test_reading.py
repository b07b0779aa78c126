"""A site's file is read into settings, and what is wrong in it is said with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.settings import ServeSettings, SiteSettings, StreamSettings, ZoneSettings
from edgeseg.runtime.site.faults import SettingsError

pytest.importorskip("pydantic", reason="the extra `streams` is not installed")

from edgeseg.runtime.site.reading import read_settings

SITE = """
engine = "engine"
[serve]
token_file = "/run/token"
[[streams]]
source = "rtsp://user:${GATE_PASSWORD}@10.0.0.2/1"
name = "gate"
stall_timeout_s = 5
outputs = ["gate.mp4", "maps/", "mqtt://broker/gate", "/var/gate.jsonl"]
region = [[0, 0], [1, 0], [1, 1]]
tiles = "3x2"
[[streams.zones]]
name = "door"
class_name = "person"
above = 0.1
for_s = 2
outputs = ["events.jsonl"]
[[streams]]
source = "videos/day.mp4"
[[streams]]
source = "0"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text)
    return path


def faults(folder: Path, text: str) -> list[str]:
    path = written(folder, text)
    with pytest.raises(SettingsError) as caught:
        read_settings(path)
    return [line.replace(str(path), "site.toml") for line in caught.value.lines]


def test_a_whole_file(tmp_path: Path) -> None:
    zone = ZoneSettings("door", "person", above=0.1, for_s=2.0, outputs=(f"{tmp_path}/events.jsonl",))
    gate = StreamSettings(
        "rtsp://user:${GATE_PASSWORD}@10.0.0.2/1",
        "gate",
        stall_timeout_s=5.0,
        outputs=(f"{tmp_path}/gate.mp4", f"{tmp_path}/maps/", "mqtt://broker/gate", "/var/gate.jsonl"),
        region=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),
        tiles="3x2",
        zones=(zone,),
    )
    assert read_settings(written(tmp_path, SITE)).settings == SiteSettings(
        f"{tmp_path}/engine",
        (gate, StreamSettings(f"{tmp_path}/videos/day.mp4"), StreamSettings("0")),
        serve=ServeSettings(token_file="/run/token"),
    )


def test_every_fault_is_said_with_its_line_and_key(tmp_path: Path) -> None:
    text = """engine = 3
stream = 1
[[streams]]
source = "a"
[[streams]]
sorce = "b"
stall_timeout_s = -3
tiles = 2
outputs = "mqtt://user:secret@host"
policy = "newest"
region = [[0, 0], [1, 0], [1, 1.5], [1]]
crf = 1
"""
    assert faults(tmp_path, text) == [
        "site.toml:1: engine must be a string, got 3",
        "site.toml:2: stream is not known; did you mean streams?",
        "site.toml:5: streams[1].source is missing",
        "site.toml:6: streams[1].sorce is not known; did you mean source?",
        "site.toml:7: streams[1].stall_timeout_s must be above 0 and at most 3600, got -3",
        "site.toml:8: streams[1].tiles must be a string, got 2",
        "site.toml:9: streams[1].outputs must be an array, got a string",
        "site.toml:10: streams[1].policy must be 'latest' or 'every', got 'newest'",
        "site.toml:11: streams[1].region[3] must have more items, got 1",
        "site.toml:11: streams[1].region[2][1] must be 0 to 1, got 1.5",
        "site.toml:12: streams[1].crf must be true or false, got 1",
    ]


def test_a_fault_in_an_inline_table_has_the_line_of_its_key(tmp_path: Path) -> None:
    text = 'engine = "e"\nstreams = [\n {source = "a"},\n {source = "b", zones = [\n  1]},\n {nam = "c"}]\n'
    assert faults(tmp_path, text) == [
        "site.toml:5: streams[1].zones[0] must be a table, got 1",
        "site.toml:6: streams[2].source is missing",
        "site.toml:6: streams[2].nam is not known; did you mean name?",
    ]


def test_what_is_missing_in_the_whole_file_has_no_line(tmp_path: Path) -> None:
    assert faults(tmp_path, "") == ["site.toml: engine is missing"]


def test_what_is_no_number_is_out_of_every_range(tmp_path: Path) -> None:
    text = 'engine = "e"\n[[streams]]\nsource = "a"\nstall_timeout_s = nan\nbudget_ms = inf\n'
    assert [line.partition(" must")[0] for line in faults(tmp_path, text)] == [
        "site.toml:4: streams[0].stall_timeout_s",
        "site.toml:5: streams[0].budget_ms",
    ]


def test_what_is_no_toml_has_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, 'engine = "e"\nsource = rtsp://camera\n')
    with pytest.raises(UsageError, match=r"site\.toml:2: Invalid value; see https://toml\.io"):
        read_settings(path)


@pytest.mark.parametrize("content", [None, b"\xff", b"a = [" + b"[" * 100_000])
def test_files_that_cannot_be_read_are_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "site.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"site\.toml"):
        read_settings(path)


def test_no_password_is_in_a_fault(tmp_path: Path) -> None:
    text = 'engine = "e"\n[[streams]]\nsource = ["rtsp://u:secret@h"]\noutputs = "https://u:secret@h"\n'
    said = " ".join(faults(tmp_path, text))
    assert "streams[0].source must be a string, got an array" in said
    assert "secret" not in said
