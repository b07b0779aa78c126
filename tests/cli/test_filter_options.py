"""Flags of what a stream keeps, as a user writes them."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from edgeseg.cli.filter_options import filter_options


def _parse(*arguments: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    @click.command()
    @filter_options
    def command(**values: Any) -> None:
        seen.update(values)

    result = CliRunner().invoke(command, arguments)
    if result.exit_code:
        raise click.UsageError(result.output)
    return seen


def test_without_flags_nothing_is_asked_for() -> None:
    assert _parse() == {"classes": (), "region": (), "smooth": False, "track": False}


def test_flags_are_read() -> None:
    assert _parse(
        "--class", "car", "--class", "bus", "--region", "0,.5 1,0.5 1,1", "--smooth", "--track"
    ) == {
        "classes": ("car", "bus"),
        "region": ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0)),
        "smooth": True,
        "track": True,
    }


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("0,0 1", "'0,0 1' is no polygon"),
        ("0,0 1,one 1,1", "no polygon"),
        ("0,0,0 1,1 1,0", "no polygon"),
        ("0,0 1,1", "at least 3 corners, got 2"),
        ("", "at least 3 corners, got 0"),
        ("0,0 640,0 640,480", "divide pixels"),
    ],
)
def test_what_is_no_region_is_refused(region: str, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        _parse("--region", region)
