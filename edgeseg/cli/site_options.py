"""Options of `edgeseg run` that are about cameras that stay, and the file that may stand for all options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgeseg.cli.options import PATH, Number
from edgeseg.runtime.settings import DEFAULT_STALL_TIMEOUT_S


def site_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --config, --check, --serve, --token-file, --stall-timeout, --ray and --status."""
    for option in (
        click.option(
            "--status",
            "status_path",
            type=PATH,
            metavar="FILE",
            help="With --ray: write every 2 s as JSON which node runs which camera, and how all are doing.",
        ),
        click.option(
            "--ray",
            metavar="ADDRESS",
            help="Run the cameras on the nodes of the Ray cluster at ADDRESS, which all reach SOURCE and "
            "outputs; auto: the one here; local: one of this machine for this run.",
        ),
        click.option(
            "--stall-timeout",
            "stall_timeout_s",
            type=Number(min=0, max=3600, min_open=True),
            default=DEFAULT_STALL_TIMEOUT_S,
            show_default=True,
            metavar="SECONDS",
            help="Open a camera again that is open, but silent for longer.",
        ),
        click.option(
            "--token-file", metavar="FILE", help="Holds the page's token; by default one is made and printed."
        ),
        click.option(
            "--serve",
            metavar="[HOST:]PORT",
            help="Show a page, with an API and metrics; on 127.0.0.1 unless HOST is given, with a token.",
        ),
        click.option(
            "--check", is_flag=True, help="Look at everything, say what is wrong, and start nothing."
        ),
        click.option(
            "--config",
            type=PATH,
            metavar="FILE",
            help="Run what a TOML file asks for, in place of ENGINE, SOURCE and options; SIGHUP reads it "
            "again.",
        ),
    ):
        command = option(command)
    return command
