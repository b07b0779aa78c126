from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edgeseg.errors import SpecError, UsageError
from edgeseg.runtime.profiling.report import Profile, read_profile

from .full_profiles import comparison_of
from .reports import a_profile


def test_a_report_is_the_same_after_json() -> None:
    report = a_profile()
    assert Profile.from_json_value(json.loads(json.dumps(report.to_json_value()))) == report


def test_another_version_is_named() -> None:
    value = {**a_profile().to_json_value(), "schema_version": 99}
    with pytest.raises(SpecError, match="schema version 99, this edgeseg reads 1"):
        Profile.from_json_value(value)


def test_a_report_of_before_versions_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"latency_ms": {}}')
    with pytest.raises(UsageError, match=r"schema version None.*edgeseg profile --json"):
        read_profile(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_what_is_no_report_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"other\.json.*edgeseg profile --json") as caught:
        read_profile(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"infer_ms": [0.0] * 100}, r"samples_ms\.infer_ms\[0\] must be above 0"),
        ({"latency_ms": [20.0, -1.0]}, r"samples_ms\.latency_ms\[1\] must be above 0.*, got -1"),
        ({"sink_ms": [0.0]}, r"samples_ms\.sink_ms\[0\] must be above 0"),
        ({"infer_ms": [float("inf")]}, "Infinity is not a number"),
        ({"infer_ms": []}, r"samples_ms\.infer_ms holds no samples"),
        ({"infer_ms": None}, r"samples_ms\.infer_ms must be a list"),
        ({}, r"samples_ms\.infer_ms holds no samples"),
    ],
)
def test_samples_that_nobody_measured_are_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    value = a_profile().to_json_value()
    samples = {"latency_ms": value["samples_ms"]["latency_ms"], **change}
    path = tmp_path / "broken.json"
    path.write_text(json.dumps({**value, "samples_ms": samples}))
    with pytest.raises(UsageError, match=message):
        read_profile(path)


def test_a_comparison_is_no_profile(tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    path.write_text(json.dumps(comparison_of(one=1.0, two=1.2).to_json_value()))
    with pytest.raises(UsageError, match="comparison of several engines, and one engine's profile is wanted"):
        read_profile(path)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = dataclasses.replace(a_profile(), warnings=("a warning",), sink_ms=None)
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(report.to_json_value()))
    assert read_profile(path) == report
