"""Options of the commands that refine labels or masks by a CRF, and of what frames may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgeseg.cli.options import THREADS, Number
from edgeseg.errors import UsageError


def crf_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --crf and --crf-threads."""
    for option in (
        click.option("--crf-threads", type=THREADS, default=1, show_default=True, help="Threads of the CRF."),
        click.option(
            "--crf",
            is_flag=True,
            help="Refine labels, or instances' masks, by a CRF; takes an engine with logits or instances.",
        ),
    ):
        command = option(command)
    return command


def crf_budget_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --budget-ms of the CRF alone."""
    return click.option(
        "--budget-ms",
        type=Number(min=0, min_open=True),
        help="Keep the CRF within this time a frame: fewer iterations, then half the resolution, then "
        "a band around boundaries; of instances, those that score best.",
    )(command)


def budget_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --budget-ms of a frame as a whole."""
    return click.option(
        "--budget-ms",
        type=Number(min=0, min_open=True),
        help="Keep frames within this time from capture to result: first less of the CRF, then no overlay, "
        "then, of cameras, a lower rate.",
    )(command)


def check_crf(crf: bool, budget_ms: float | None) -> None:
    """Refuse a budget for a CRF that was not asked for.

    Raises:
        UsageError: if there is one.
    """
    if budget_ms is not None and not crf:
        raise UsageError("--budget-ms is the CRF's, and no CRF was asked for; add --crf")
