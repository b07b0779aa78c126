"""A version gets what was unreleased, and only a changelog that says so can be released."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

import edgeseg
from tools.release import changelog
from tools.release.changelog import cut, fault_of, main

DAY = datetime.date(2026, 11, 26)
TEXT = """# Changelog

Notable changes.

## Unreleased

### Added

- Engines.

### Fixed

- Labels.

## 0.1.0 - 2026-10-01

- Everything.
"""


def test_what_was_unreleased_stands_under_the_version_and_the_rest_stays() -> None:
    assert cut(TEXT, "0.2.0", DAY) == TEXT.replace(
        "## Unreleased\n", "## Unreleased\n\n## 0.2.0 - 2026-11-26\n"
    )


def test_a_changelog_that_was_cut_can_be_released_and_no_other_version_of_it() -> None:
    text = cut(TEXT, "0.2.0", DAY)
    assert fault_of(text, "0.2.0") is None
    assert fault_of(text, "0.1.0") == "0.1.0 must be the newest section"


@pytest.mark.parametrize(
    ("version", "text", "message"),
    [
        ("0.1.0", TEXT, "0.1.0 has a section already"),
        ("v0.2", TEXT, "1.2.3, or 1.2.3rc1, got 'v0.2'"),
        ("0.3.0", cut(TEXT, "0.2.0", DAY), "nothing stands under"),
    ],
)
def test_what_cannot_be_cut_is_refused(version: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cut(text, version, DAY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Changelog\n", "must be the first section"),
        (TEXT, "must be empty; give it to the version by: python -m tools.release.changelog cut 0.2.0"),
        ("## Unreleased\n\n## 0.2.0\n\n- Engines.\n", "YYYY-MM-DD"),
        (
            "## Unreleased\n\n## 0.2.0 - 2026-11-26\n\n## 0.1.0 - 2026-10-01\n\n- All.\n",
            "nothing stands under",
        ),
    ],
)
def test_what_speaks_against_a_release_is_said(text: str, message: str) -> None:
    assert message in str(fault_of(text, "0.2.0"))


def test_the_command_cuts_once_and_then_finds_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "CHANGELOG.md"
    path.write_text("# Changelog\n\n## Unreleased\n\n- Engines, for Müller’s cameras.\n", encoding="utf-8")
    monkeypatch.setattr(changelog, "CHANGELOG", path)
    assert main(["check"]) == 1
    assert main(["cut", edgeseg.__version__]) == 0
    assert main(["check"]) == 0
    assert main(["cut"]) == 1
    assert "has a section already" in capsys.readouterr().out
    assert "Müller’s" in path.read_text(encoding="utf-8")


def test_another_version_than_the_packages_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "99.0.0"]) == 1
    assert f"edgeseg.__version__ is {edgeseg.__version__}" in capsys.readouterr().out
