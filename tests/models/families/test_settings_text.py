"""Settings written as Python are read by their literals, and run nothing."""

from __future__ import annotations

from pathlib import Path

from edgeseg.models.families.settings_text import read_settings, settings_of


def test_literals_and_calls_of_dict_are_read() -> None:
    text = "a = 1\nb = dict(type='ResNet', depths=(1, 2), inner={'mean': [0.5, -1]})\nc: int = 3\n"
    inner = {"mean": [0.5, -1]}
    assert read_settings(text) == {"a": 1, "b": {"type": "ResNet", "depths": [1, 2], "inner": inner}}


def test_what_is_no_literal_is_left_out_and_never_run(tmp_path: Path) -> None:
    victim = tmp_path / "written"
    text = f"""
import os
bad = os.system('touch {victim}')
pipeline = [dict(type='Load'), bad]
model = dict(backbone=bad, depth=50, **bad)
other = __import__('pathlib').Path({str(victim)!r}).touch()
"""
    assert read_settings(text) == {"model": {"depth": 50}}
    assert not victim.exists()


def test_what_is_no_program_is_empty() -> None:
    assert read_settings("model = dict(") == {}
    assert read_settings("(" * 5000) == {}
    assert read_settings("a = 1\n" * 200_000) == {}
    assert read_settings("a = '\0'") == {}


def test_all_dictionaries_are_found_the_outer_ones_first() -> None:
    inner = {"type": "inner"}
    assert list(settings_of({"a": [inner], "b": 1})) == [{"a": [inner], "b": 1}, inner]
