"""Show how far a batch is: frames, their rate, and when it will end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from edgeseg.batch.forecast import Forecast

LINE_EVERY = 10  # per cent, where no terminal is
LINE_EVERY_S = 60.0  # or sooner


@contextmanager
def frames_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal and a plain line now and then elsewhere, both on stderr.

    Args:
        total: frames that are expected.

    Yields:
        What is to be called with the number of frames that are done more.
    """
    forecast = Forecast(total)
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(forecast)
        return
    columns = (
        TextColumn("frames"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, told="")

        def advance(frames: int) -> None:
            forecast.advance(frames)
            bar.update(task, advance=frames, told=forecast.told(time.time()))

        yield advance


def _lines(forecast: Forecast) -> Callable[[int], None]:
    said_share, said_s = 0, time.monotonic()

    def advance(frames: int) -> None:
        nonlocal said_share, said_s
        forecast.advance(frames)
        share = 100 * forecast.done // max(1, forecast.total) // LINE_EVERY
        now_s = time.monotonic()
        if share > said_share or now_s - said_s > LINE_EVERY_S:
            said_share, said_s = share, now_s
            told = forecast.told(time.time())
            print(f"frames: {forecast.done}/{forecast.total}, {told}", file=sys.stderr, flush=True)

    return advance
