"""What several commands take and show: sizes, class names, progress, JSON."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edgeseg import label_sets
from edgeseg.cores import usable_cores
from edgeseg.engines.registry import devices
from edgeseg.errors import UsageError, shown
from edgeseg.files import write_whole
from edgeseg.reading import read_text, reading
from edgeseg.spec import (
    GREY_FROM_RGB,
    LARGEST_VALUE,
    MAX_CHANNELS,
    MAX_CLASSES,
    RGB_CHANNELS,
    SIDE,
    ChannelOrder,
    DivideBy255,
    InputType,
    PerChannel,
    in_order,
    training_scale,
)

SECONDS_OF = {"s": 1, "m": 60, "h": 3600}
PLAIN_LINE_EVERY = 10  # a progress line per so many percent where no terminal is


class Size(click.ParamType[tuple[int, int]]):
    """`HxW` in pixels, such as 480x640."""

    name = "HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return (height, width)."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", str(value).lower())
        if match is None or int(match[1]) not in SIDE or int(match[2]) not in SIDE:
            self.fail(
                f"{shown(value)} is not a size; write height x width in pixels, each {SIDE}, such as 480x640",
                param,
                ctx,
            )
        return int(match[1]), int(match[2])


class Numbers(click.ParamType[PerChannel]):
    """Numbers with commas between, one a channel, such as 0.485,0.456,0.406; one stands for all."""

    name = "A,B,C"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PerChannel:
        """Return the numbers, as many as there are."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{shown(value)} is not numbers such as 0.485,0.456,0.406", param, ctx)
        if not all(map(math.isfinite, numbers)):
            self.fail(f"{shown(value)} holds what is no finite number", param, ctx)
        if len(numbers) > MAX_CHANNELS:
            self.fail(f"{shown(value)} is more than {MAX_CHANNELS} numbers", param, ctx)
        return numbers


class Number(click.FloatRange):
    """A finite number; click itself lets NaN pass every bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{shown(value)} is not a finite number", param, ctx)
        return number


class Threads(click.IntRange):
    """Threads on this machine's cores; with --on, which is read first, a device says how many it has."""

    def __init__(self) -> None:
        super().__init__(1, usable_cores())

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        if ctx is not None and ctx.params.get("on") is not None:
            return COUNT.convert(value, param, ctx)
        return super().convert(value, param, ctx)


class Duration(click.ParamType[float]):
    """A time such as 90s, 20m or 1.5h."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)([smh])", str(value).lower())
        if match is None or not float(match[1]):
            self.fail(f"{shown(value)} is not a time; write one such as 90s, 20m or 1.5h", param, ctx)
        return float(match[1]) * SECONDS_OF[match[2]]


class Memory(click.ParamType[int]):
    """An amount of memory such as 400MB, 1.5GB or 512MiB."""

    name = "400MB|1.5GB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes."""
        from edgeseg.runtime.profiling.memory import parse_memory

        return value if isinstance(value, int) else parse_memory(str(value))


class NamedPath(click.Path):
    """A path; the empty text, which an unset shell variable leaves, is not the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("is empty; is a shell variable unset? The working folder is written .", param, ctx)
        if "\0" in str(value):
            self.fail(f"{shown(value)} is no path", param, ctx)
        return super().convert(value, param, ctx)


def per_channel(
    values: PerChannel | None, option: str, channels: int, order: ChannelOrder
) -> PerChannel | None:
    """Turn the numbers of an option, in the network's own order, into one a channel, red first; None: none.

    Raises:
        UsageError: if they are neither one nor one a channel.
    """
    if values is None:
        return None
    if len(values) not in (1, channels):
        raise UsageError(
            f"{option} has {len(values)} numbers, frames have {channels} channels; give one a channel, or "
            "one for all"
        )
    return in_order(values * channels if len(values) == 1 else values, order)


def normalisation(
    mean_rgb: PerChannel,
    std_rgb: PerChannel,
    order: ChannelOrder,
    divide_by_255: DivideBy255,
    dtype: InputType = "uint8",
) -> str:
    """Say what happens to pixels in the graph, in the form that --mean and --std take.

    Args:
        mean_rgb: a number a channel, of pixels scaled to 0..1, red first.
        std_rgb: likewise.
        order: that the network takes.
        divide_by_255: the form in which the training gave mean and deviation.
        dtype: of the pixels.
    """
    mean, std = (
        ",".join(f"{value:g}" for value in in_order(values, order))
        for values in training_scale(mean_rgb, std_rgb, divide_by_255, dtype)
    )
    first = " (blue first)" if order == "bgr" else ""
    largest = LARGEST_VALUE[dtype]
    scale = f" in 0..{1 if divide_by_255 == 'before' else largest}" if dtype != "float32" else ""
    then = f", then divided by {largest}" if divide_by_255 == "after" and largest > 1 else ""
    return f"{_pixels(order, len(mean_rgb), dtype)}{scale}, mean {mean}, std {std}{first}{then}"


def _pixels(order: ChannelOrder, channels: int, dtype: InputType) -> str:
    """Name the channels of a network, and their type where it is not a camera's."""
    kind = "" if dtype == "uint8" else f" of {dtype}"
    if order == "grey":
        grey = " + ".join(f"{weight:g} {name}" for weight, name in zip(GREY_FROM_RGB, "RGB", strict=True))
        return f"grey ({grey}){kind}"
    if order == "stored":
        return f"{channels} {'channel' if channels == 1 else 'channels'} as stored{kind}"
    others = channels - RGB_CHANNELS
    return f"{order.upper()}{f' and {others} more' if others else ''}{kind}"


MOST = 2**31 - 1  # of anything counted
PROBABILITY = Number(0.0, 1.0)
COUNT = click.IntRange(1, MOST)
THREADS = Threads()
PATH = NamedPath(path_type=Path)
DEVICES = devices()  # each backend knows some of them


def read_class_names(path: Path) -> tuple[str, ...]:
    """Give a data set's class names, or read them from a file.

    Args:
        path: the name of a data set; or a file, one name a line, background first; blank lines are passed
            over.

    Raises:
        UsageError: if the file cannot be read, or holds no name or more than there can be.
    """
    if (known := label_sets.named(path)) is not None:
        return known.class_names
    fix = f"write one a line, in UTF-8, background first, or name a data set: {', '.join(label_sets.ALL)}"
    with reading(path, UsageError, what="a file of class names", fix=fix):
        lines = read_text(path, UsageError).splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) > MAX_CLASSES:
        raise UsageError(
            f"{path} holds {len(names)} class names; labels are bytes, at most {MAX_CLASSES} fit"
        )
    if not names:
        raise UsageError(f"{path} holds no class names; write one a line, background first")
    return names


@contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """Say what is going on, and take what comes next: a spinner on a terminal, lines elsewhere, on stderr."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(escape(text)) as spinner:
            yield lambda step: spinner.update(escape(step))
    else:
        print(text, file=sys.stderr)
        yield lambda step: print(f"  {step}", file=sys.stderr)


class Advance(Protocol):
    """Called after each step of long work."""

    def __call__(self, steps: int = 1, /) -> None: ...


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Advance]:
    """Show a bar on a terminal and a plain line now and then elsewhere, both on stderr."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda steps=1, /: bar.advance(task, steps)
        return
    done = 0

    def advance(steps: int = 1, /) -> None:
        nonlocal done
        before, done = done, done + steps
        if total and (before * 100 // total) // PLAIN_LINE_EVERY != (done * 100 // total) // PLAIN_LINE_EVERY:
            print(f"{title}: {done}/{total}", file=sys.stderr)

    yield advance


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON to `path`, or to the standard output for `-`. Raises SinkError."""
    text = json.dumps(value, indent=2)
    if str(path) == "-":
        print(text)
        return
    write_whole(path, f"{text}\n".encode())
