"""Run steps, each a process under its own time limit, and write down each outcome before the next begins."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.parts.limited import run_limited

LEAST_S = 5.0  # with less time left a step is not begun
TAIL_LINES = 15  # of what a failed step printed that are kept
LONGEST_LINE = 300  # characters of a detail


@dataclass(frozen=True)
class Step:
    """One process.

    Attributes:
        name: what it shows.
        command: program and arguments.
        limit_s: after which it is ended, with all that it started.
        makes: a path that the step makes; where it is there already, the step is passed over.
        needs: paths that other steps make, without which it is not begun.
        anywhere: whether it needs no GPU.
    """

    name: str
    command: tuple[str, ...]
    limit_s: float
    makes: Path | None = None
    needs: tuple[Path, ...] = ()
    anywhere: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        status: `passed`; `failed`, the process said so; `out of time`, it was ended; `not begun`;
            `there already`.
        detail: its last line where it did not pass, or why it was not begun.
        figures: the JSON objects that it printed, a line each, as one; kept of a step that was ended, too.
        printed: its last lines, where it did not pass.
    """

    name: str
    status: str
    seconds: float = 0.0
    detail: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    printed: tuple[str, ...] = ()


class Run(Protocol):
    """Runs a command for at most so long."""

    def __call__(self, command: Sequence[str], limit_s: float, /) -> tuple[int | None, str]:
        """Give its exit status, None if it was ended, and all that it printed."""


def run_process(command: Sequence[str], limit_s: float) -> tuple[int | None, str]:
    """Run a command in a group of processes of its own, which is ended at the limit; see `Run`."""
    ended = run_limited(command, limit_s, together=True)
    return ended.status, ended.printed


def run_steps(
    steps: Sequence[Step],
    seconds: float,
    write: Callable[[Sequence[Outcome]], None],
    *,
    run: Run = run_process,
    clock: Callable[[], float] = time.monotonic,
) -> list[Outcome]:
    """Run steps in order until the time is over.

    Args:
        seconds: for all of them; the last one begun gets what is left.
        write: told all outcomes so far after each step.
        run: runs a command.
        clock: seconds.
    """
    end = clock() + seconds
    outcomes: list[Outcome] = []
    for step in steps:
        outcomes.append(_outcome(step, end, run, clock))
        write(outcomes)
    return outcomes


def write_outcomes(path: Path, about: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Write the report, whole at every moment."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(json.dumps({**about, "steps": [asdict(each) for each in outcomes]}, indent=2) + "\n")
    beside.replace(path)


def _outcome(step: Step, end: float, run: Run, clock: Callable[[], float]) -> Outcome:
    if step.makes is not None and step.makes.exists():
        return Outcome(step.name, "there already")
    if missing := [path.name for path in step.needs if not path.exists()]:
        return Outcome(step.name, "not begun", detail=f"without {', '.join(missing)}")
    started = clock()
    if end - started < LEAST_S:
        return Outcome(step.name, "not begun", detail="no time was left")
    limit_s = min(step.limit_s, end - started)
    try:
        status, printed = run(step.command, limit_s)
    except OSError as error:
        return Outcome(step.name, "failed", clock() - started, str(error))
    seconds = clock() - started
    figures, lines = _read(printed)
    if status == 0:
        return Outcome(step.name, "passed", seconds, figures=figures)
    last = lines[-1][:LONGEST_LINE] if lines else "it said nothing"
    if status is None:
        detail = f"ended after {limit_s:.0f} s; {last}"
        return Outcome(step.name, "out of time", seconds, detail, figures, tuple(lines[-TAIL_LINES:]))
    return Outcome(step.name, "failed", seconds, last, figures, tuple(lines[-TAIL_LINES:]))


def _read(printed: str) -> tuple[dict[str, Any], list[str]]:
    """Take the lines that are JSON objects out of what was printed, as one; gives the other lines, too."""
    figures: dict[str, Any] = {}
    lines = []
    for line in printed.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, dict):
            figures.update(value)
        elif line.strip():
            lines.append(line.rstrip())
    return figures, lines
