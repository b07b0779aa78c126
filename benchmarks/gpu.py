"""Everything that only a GPU can show, in one command of under 8 minutes on a machine with an NVIDIA GPU.

Engines of TensorRT for RTX are opened, verified, profiled and timed at batch 1 and 8, with CUDA graphs and
without, beside PyTorch eager and compiled; ONNX Runtime's CUDA and TensorRT providers; the tests marked
`gpu`. Steps come in the order of what they are worth, each a process with a time limit of its own, and each
outcome is in the report before the next step begins: what was measured stays, whenever the time is over. A
step that fails is a row that says why.

    python -m benchmarks.gpu [--work FOLDER] [--json FILE] [--seconds N] [--only TEXT] [--list]
    python -m benchmarks.gpu --prepare FOLDER [--compute-capability 8.6]

`--prepare` needs no GPU: it exports the models and builds the engines of TensorRT for RTX, so that the
minutes on the GPU go into what needs one. Carry the folder there and name it by `--work`; what is missing is
made there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu_steps.machine import NO_GPU, gpu_facts, rtx_capabilities, versions
from benchmarks.gpu_steps.plan import plan, preparation
from benchmarks.gpu_steps.running import Outcome, Step, run_steps, write_outcomes
from edgeseg.errors import SinkError
from edgeseg.files import check_writable, make_folder

SECONDS = 460.0  # of a run; starting and ending stay within the 8 minutes
PREPARE_SECONDS = 3600.0
OTHERWISE = "ort-cuda"  # of GPUs that TensorRT for RTX does not know: those of data centres
FIGURES = ("p50 ms", "p99 ms", "images/s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps and print a table; 1 where there is no GPU, or a step failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("gpu-work"), help="with what --prepare made")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="the report")
    parser.add_argument("--seconds", type=float, help=f"for all steps, {SECONDS:.0f} by default")
    parser.add_argument("--only", help="steps whose name has this text")
    parser.add_argument("--list", action="store_true", help="print the steps and run none")
    parser.add_argument("--prepare", type=Path, metavar="FOLDER", help="make what needs no GPU")
    parser.add_argument("--compute-capability", action="append", default=[], metavar="X.Y")
    given = parser.parse_args(arguments)
    gpu = gpu_facts()
    capabilities = tuple(given.compute_capability)
    prepares = given.prepare is not None
    try:
        first = first_kind(capabilities or ((gpu["compute_cap"],) if gpu and not prepares else ()))
    except ValueError as error:
        parser.error(str(error))
    begun = partial(preparation, given.prepare) if prepares else partial(plan, given.work)
    steps = begun(capabilities, first=first)
    steps = [step for step in steps if given.only is None or given.only in step.name]
    if not steps:
        parser.error(f"no step has {given.only!r} in its name; --list names all")
    if given.list:
        print(*(f"{step.limit_s:5.0f} s  {step.name}" for step in steps), sep="\n")
        return 0
    if gpu is None and not prepares:
        print(NO_GPU, file=sys.stderr)
        return 1
    try:
        make_folder(given.json.parent)
        check_writable(given.json)
    except SinkError as error:
        parser.error(f"--json: {error}")
    seconds = given.seconds or (PREPARE_SECONDS if prepares else SECONDS)
    started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    about = {"gpu": gpu, "versions": versions(), "started_at": started_at, "seconds": seconds}
    outcomes = run_steps(steps, seconds, _tell(given.json, about, steps))
    print(*table(outcomes), sep="\n")
    return int(any(outcome.status in ("failed", "out of time") for outcome in outcomes))


def first_kind(capabilities: Sequence[str]) -> str:
    """Choose the kind of engine that most is asked of: TensorRT for RTX, where it knows such GPUs.

    Args:
        capabilities: compute capabilities, such as `8.6`; none where any GPU is meant.

    Raises:
        ValueError: if one is no compute capability.
    """
    for capability in capabilities:
        major, dot, minor = capability.partition(".")
        if not (major.isdecimal() and dot and minor.isdecimal()):
            raise ValueError(f"a compute capability is two numbers, such as 8.6, got {capability!r}")
    known = rtx_capabilities()
    if known is None or set(capabilities) <= set(known):
        return "rtx"
    print(
        f"TensorRT for RTX has no compute capability {', '.join(set(capabilities) - set(known))}; it has "
        f"{', '.join(known)}. Engines of {OTHERWISE} stand in its place.",
        file=sys.stderr,
    )
    return OTHERWISE


def _tell(path: Path, about: dict[str, Any], steps: Sequence[Step]) -> Any:
    def tell(outcomes: Sequence[Outcome]) -> None:
        write_outcomes(path, about, outcomes)
        latest = outcomes[-1]
        line = f"[{len(outcomes)}/{len(steps)}] {latest.name}: {latest.status}, {latest.seconds:.0f} s"
        print(f"{line}; {latest.detail}" if latest.detail else line, flush=True)

    return tell


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Give the lines of a table: a row for each measurement, then what did not pass, and why."""
    rows = [f"{'network, batch and engine':44} {'way':16} {'p50 ms':>9} {'p99 ms':>9} {'images/s':>9}"]
    for outcome in outcomes:
        for way, figures in outcome.figures.items():
            if isinstance(figures, dict) and all(name in figures for name in FIGURES):
                numbers = " ".join(f"{figures[name]:9.2f}" for name in FIGURES)
                rows.append(f"{outcome.name:44} {way:16} {numbers}")
    passed = [outcome.name for outcome in outcomes if outcome.status in ("passed", "there already")]
    rows += ["", f"{len(passed)} of {len(outcomes)} steps passed"]
    rows += [
        f"  {outcome.name}: {outcome.status}; {outcome.detail}"
        for outcome in outcomes
        if outcome.name not in passed
    ]
    return rows


if __name__ == "__main__":
    sys.exit(main())
