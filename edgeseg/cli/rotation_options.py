"""The flags that cut outputs into parts, and say how many of them stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def rotation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--rotate` and `--keep`."""
    for option in (
        click.option(
            "--keep",
            metavar="24h|10GB",
            help="Keep so much of each .mp4 and .jsonl, in parts; the oldest go. A time, a size, or both.",
        ),
        click.option(
            "--rotate",
            metavar="10m|1GB",
            help="Begin a new part of each .mp4 and .jsonl after so much; by default a tenth of --keep.",
        ),
    ):
        command = option(command)
    return command
