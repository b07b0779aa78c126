"""Run what shows where we stand, within an hour; write it into `benchmarks/README.md` and a page of charts.

The parts that are quick come first, then `engines`, a network at a time as long as there is time. A part that
fails, or that time was too short for, is on the page with its reason. `engines` finds conversions and engines
of an earlier run in its `--work`.

    python -m benchmarks.everything [--minutes N] [--only NAME ...] [--work FOLDER] [--page FILE]
        [--picture FILE] [--model-api-python PATH]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from benchmarks.engines import header
from benchmarks.peers.process import ROOT
from benchmarks.peers.rows import ROWS

PAGE = ROOT / "benchmarks" / "README.md"
PICTURE = ROOT / "docs" / "measured.html"
GROWTH_JSON, ENGINES_JSON = "growth.json", "engines.jsonl"
BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"
LEAST_S = 60.0  # with less left nothing is begun
ENGINES = "Frame to result against every engine"
ENGINES_LIMIT_S = 900.0  # of a network; the first time conversions and builds are in it
OURS = "edgeseg auto"  # the engine that a user gets
PEERS = ("torch", "torch.compile", "onnxruntime", "openvino", "model_api", "ncnn", "mnn", "opencv")


@dataclass(frozen=True)
class Part:
    """A benchmark with the words above its figures.

    Attributes:
        name: of its module.
        limit_s: after which it is ended.
    """

    name: str
    title: str
    flags: Sequence[str]
    limit_s: float


QUICK = (
    Part("footprint", "What a device needs", (), 400),
    Part("postprocess", "Post-processing against the plain ways", ("--repeats", "7"), 300),
    Part("crf", "The CRF against pydensecrf2, one thread", ("--repeats", "7", "--photographs", "1"), 420),
    Part("crf", "The CRF, two threads", ("--repeats", "7", "--photographs", "1", "--threads", "2"), 300),
    Part("beside_the_network", "Beside the demo's networks", (), 300),
    Part("growth", "How time and memory grow", (), 600),
)


def main() -> None:
    """Run the parts, and write the page after each, so that what is cut short is there."""
    arguments = _arguments()
    deadline_s = time.monotonic() + 60 * arguments.minutes
    blocks: list[str] = []
    arguments.work.mkdir(parents=True, exist_ok=True)
    for name in (GROWTH_JSON, ENGINES_JSON):
        (arguments.work / name).unlink(missing_ok=True)
    for part in parts(arguments):
        print(f"== {part.name} {' '.join(part.flags)}", flush=True)
        left_s = min(part.limit_s, deadline_s - time.monotonic())
        text = run(part, left_s) if left_s >= LEAST_S else "not run: the time was over"
        print(text, flush=True)
        blocks.append(f"### {part.title}\n\n`python -m benchmarks.{part.name}`\n\n```text\n{text}\n```\n")
        write_page(arguments.page, blocks)
    draw(arguments.work, arguments.picture)


def parts(arguments: argparse.Namespace) -> Iterator[Part]:
    """Give what is to be run, in order: the quick parts, then `engines`, a network after another."""
    for part in QUICK:
        if not arguments.only or part.name in arguments.only:
            json = ("--json", str(arguments.work / GROWTH_JSON)) if part.name == "growth" else ()
            yield replace(part, flags=(*part.flags, *json))
    if arguments.only and "engines" not in arguments.only:
        return
    flags = ["--work", str(arguments.work), "--rounds", "7", "--peers", OURS, *PEERS]
    flags += ["--json", str(arguments.work / ENGINES_JSON)]
    if arguments.model_api_python:
        flags += ["--model-api-python", arguments.model_api_python]
    for row in ROWS:
        yield Part("engines", f"{ENGINES}: {row}", ("--rows", row, *flags), ENGINES_LIMIT_S)


def run(part: Part, limit_s: float) -> str:
    """Run a benchmark; give what it printed, and why it ended if not by itself."""
    command = [sys.executable, "-m", f"benchmarks.{part.name}", *part.flags]
    try:
        ended = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        printed = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        return f"{printed.rstrip()}\nended after {limit_s:.0f} s, unfinished".lstrip()
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return f"{ended.stdout.rstrip()}\nfailed: {last}".lstrip()
    return ended.stdout.rstrip()


def draw(work: Path, picture: Path) -> None:
    """Draw what the parts left as JSON."""
    found = {"--growth": work / GROWTH_JSON, "--engines": work / ENGINES_JSON}
    flags = [word for flag, path in found.items() if path.exists() for word in (flag, str(path))]
    command = [sys.executable, "-m", "benchmarks.picture", *flags, "-o", str(picture)]
    subprocess.run(command, cwd=ROOT, check=True)


def write_page(page: Path, blocks: Sequence[str]) -> None:
    """Put the blocks between the page's marks, with the machine, the versions and the day."""
    text = page.read_text()
    machine = header(len(os.sched_getaffinity(0))).replace("\n", "; ")
    about = f"{date.today():%Y-%m-%d}, `make bench`: {machine}\n"
    written = "\n".join((BEGIN, "", about, *blocks, END))
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"{page} has no place for results: it wants the lines {BEGIN} and {END}")
    page.write_text(pattern.sub(lambda _: written, text))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = sorted({part.name for part in QUICK} | {"engines"})
    parser.add_argument("--minutes", type=float, default=58.0)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "edgeseg-engines")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--model-api-python")
    return parser.parse_args()


if __name__ == "__main__":
    main()
