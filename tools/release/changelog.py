"""Turn "Unreleased" of CHANGELOG.md into a version: python -m tools.release.changelog cut|check VERSION"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import edgeseg

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
UNRELEASED = "## Unreleased"
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")  # of PEP 440, as far as this project uses it


def main(arguments: Sequence[str] | None = None) -> int:
    """Cut the changelog, or say what speaks against a release of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("cut", "check"))
    parser.add_argument("version", nargs="?", default=edgeseg.__version__)
    asked = parser.parse_args(arguments)
    if asked.version != edgeseg.__version__:
        print(f"{asked.version} was asked for, but edgeseg.__version__ is {edgeseg.__version__}")
        return 1
    text = CHANGELOG.read_text(encoding="utf-8")
    if asked.action == "cut":
        try:
            text = cut(text, asked.version, datetime.datetime.now(datetime.timezone.utc).date())
        except ValueError as error:
            print(error)
            return 1
        CHANGELOG.write_text(text, encoding="utf-8")
        return 0
    fault = fault_of(text, asked.version)
    if fault:
        print(f"{CHANGELOG.name}: {fault}")
    return bool(fault)


def cut(text: str, version: str, day: datetime.date) -> str:
    """Give what is unreleased to a version, and leave an empty "Unreleased" above it.

    Raises:
        ValueError: if nothing is unreleased, or the version is none or has a section already.
    """
    if not VERSION.fullmatch(version):
        raise ValueError(f"a version is written 1.2.3, or 1.2.3rc1, got {version!r}")
    if version in {_version(title) for title in HEADING.findall(text)}:
        raise ValueError(f"{version} has a section already; raise edgeseg.__version__ first")
    if not _entries(text, UNRELEASED):
        raise ValueError(f'nothing stands under "{UNRELEASED}"')
    return text.replace(f"{UNRELEASED}\n", f"{UNRELEASED}\n\n## {version} - {day.isoformat()}\n", 1)


def fault_of(text: str, version: str) -> str | None:
    """Say what speaks against releasing the version, in a line; None: nothing does."""
    titles = HEADING.findall(text)
    if not titles or f"## {titles[0]}" != UNRELEASED:
        return f'"{UNRELEASED}" must be the first section'
    command = f"python -m tools.release.changelog cut {version}"
    if _entries(text, UNRELEASED):
        return f'"{UNRELEASED}" must be empty; give it to the version by: {command}'
    if len(titles) < 2 or _version(titles[1]) != version:  # noqa: PLR2004  (the one after "Unreleased")
        return f"{version} must be the newest section"
    try:
        datetime.date.fromisoformat(titles[1].removeprefix(f"{version} - "))
    except ValueError:
        return f'write the heading "## {version} - YYYY-MM-DD", got "## {titles[1]}"'
    return None if _entries(text, f"## {titles[1]}") else f"nothing stands under {version}"


def _version(title: str) -> str:
    return title.partition(" ")[0]


def _entries(text: str, heading: str) -> list[str]:
    """List the entries of a section, which are bullets."""
    section = text.partition(f"{heading}\n")[2]
    return re.findall(r"^- .+$", HEADING.split(section, maxsplit=1)[0], re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())
