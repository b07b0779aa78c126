"""Run what shows where we stand, within an hour; write it into `benchmarks/README.md` and a page of charts.

The parts that are quick come first, then `engines`, a network at a time, the small ones first; each gets its
share of the time that is left. The page is written after each part. A part that fails, or that time was too
short for, is on it with its reason; what an earlier run measured of it is kept then, with its day, as is all
that `--only` and `--rows` leave out. `engines` finds conversions and engines of an earlier run in its
`--work`.

    python -m benchmarks.everything [--minutes N] [--only NAME ...] [--rows NAME ...] [--work FOLDER]
        [--page FILE] [--picture FILE] [--model-api-python PATH]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.parts.limited import run_limited
from benchmarks.parts.standing import Block, read_blocks, write_blocks
from benchmarks.peers.process import ROOT
from benchmarks.peers.rows import ROWS
from benchmarks.peers.telling import header, processor

PAGE = ROOT / "benchmarks" / "README.md"
PICTURE = ROOT / "docs" / "measured.html"
GROWTH_JSON, ENGINES_JSON = "growth.json", "engines.jsonl"
LEAST_S = 60.0  # with less left nothing is begun
ENGINES = "engines"
ENGINES_TITLE = "Frame to result against every engine"
ENGINES_LIMIT_S = 900.0  # of a network; the first time conversions and builds are in it
OPENING_S = 150.0  # of a contender: what `torch.compile` takes longer for is its line
OURS = "edgeseg auto"  # the engine that a user gets
PEERS = ("torch", "torch.compile", "onnxruntime", "openvino", "model_api", "ncnn", "mnn", "opencv")
SMALL_FIRST = (
    "demo_unet",
    "demo_deeplab",
    "demo_maskrcnn",
    "deeplabv3_mobilenet_v3_large",
    "unet",
    "deeplabv3_resnet50",
    "maskrcnn_320_5",
    "maskrcnn_320_100",
    "maskrcnn_800_5",
    "maskrcnn_800_100",
)


@dataclass(frozen=True)
class Part:
    """A benchmark with the words above its figures.

    Attributes:
        name: of its module.
        flags: that decide what is measured.
        limit_s: after which it is ended.
        places: flags that say where files are, which the page leaves out.
    """

    name: str
    title: str
    flags: Sequence[str]
    limit_s: float
    places: Sequence[str] = ()


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
    arguments.work.mkdir(parents=True, exist_ok=True)
    chosen = list(parts(arguments))
    _, versions = header(len(os.sched_getaffinity(0))).splitlines()
    about = f"`make bench`, last with {versions}; each part names the day and the machine of its figures."
    order = [part.title for part in (*QUICK, *_rows(arguments, SMALL_FIRST))]
    for number, part in enumerate(chosen, start=1):
        left_s = max(0.0, deadline_s - time.monotonic())
        print(f"== {number} of {len(chosen)}, {left_s / 60:.0f} minutes left: {part.title}", flush=True)
        limit_s = min(part.limit_s, left_s)
        soft_s = left_s / (len(chosen) - number + 1)
        blocks = read_blocks(arguments.page)
        found = run(part, limit_s, soft_s) if left_s >= LEAST_S else Block("", "not run: the time was over")
        kept = blocks.get(part.title)
        blocks[part.title] = found if found.command or kept is None else kept
        write_blocks(arguments.page, about, {title: blocks[title] for title in order if title in blocks})
    draw(arguments.work, arguments.picture)


def parts(arguments: argparse.Namespace) -> Iterator[Part]:
    """Give what is to be run, in order: the quick parts, then `engines`, a network after another."""
    for part in QUICK:
        if not arguments.only or part.name in arguments.only:
            if part.name == "growth":
                yield Part(
                    part.name,
                    part.title,
                    part.flags,
                    part.limit_s,
                    ("--json", str(arguments.work / GROWTH_JSON)),
                )
            else:
                yield part
    if not arguments.only or ENGINES in arguments.only:
        yield from _rows(arguments, arguments.rows)


def _rows(arguments: argparse.Namespace, rows: Sequence[str]) -> Iterator[Part]:
    places = ["--work", str(arguments.work), "--json", str(arguments.work / ENGINES_JSON)]
    if arguments.model_api_python:
        places += ["--model-api-python", arguments.model_api_python]
    peers = ("--rounds", "7", "--peers", OURS, *PEERS)
    for row in rows:
        yield Part(
            ENGINES, f"{ENGINES_TITLE}: {row}", ("--rows", row, *peers), ENGINES_LIMIT_S, tuple(places)
        )


def run(part: Part, limit_s: float, soft_s: float) -> Block:
    """Run a benchmark; give what it printed, and why it ended if not by itself."""
    flags = [*part.flags, *part.places]
    if part.name == ENGINES:
        flags += ["--seconds", f"{soft_s:.0f}", "--opening-seconds", f"{OPENING_S:.0f}"]
    started_s = time.monotonic()
    ended = run_limited(
        [sys.executable, "-m", f"benchmarks.{part.name}", *flags],
        limit_s,
        cwd=ROOT,
        on_line=lambda line: print(line, flush=True),
    )
    printed = ended.printed.strip("\n")
    if ended.status is None:
        printed += f"\nended after {limit_s:.0f} s, unfinished"
    elif ended.status:
        printed += f"\nfailed: {(ended.errors.strip().splitlines() or ['it says nothing'])[-1]}"
    seconds = time.monotonic() - started_s
    words = " ".join(f'"{flag}"' if " " in flag else flag for flag in part.flags)
    command = (
        f"`{f'python -m benchmarks.{part.name} {words}'.strip()}`, {datetime.now():%Y-%m-%d}, "
        f"{seconds:.0f} s, on {processor()}"
    )
    print(
        f"{part.title}: {seconds:.0f} s, {'done' if ended.status == 0 else printed.splitlines()[-1]}",
        flush=True,
    )
    return Block(command, printed.strip("\n"))


def draw(work: Path, picture: Path) -> None:
    """Draw what the parts left as JSON, of this run or an earlier one; say if that fails."""
    found = {"--growth": work / GROWTH_JSON, "--engines": work / ENGINES_JSON}
    flags = [word for flag, path in found.items() if path.exists() for word in (flag, str(path))]
    if flags:
        command = [sys.executable, "-m", "benchmarks.picture", *flags, "-o", str(picture)]
        ended = run_limited(command, LEAST_S, cwd=ROOT)
        if ended.status != 0:
            print(
                f"{picture} is not drawn: {(ended.errors.strip().splitlines() or ['too slow'])[-1]}",
                flush=True,
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = sorted({part.name for part in QUICK} | {ENGINES})
    parser.add_argument("--minutes", type=float, default=58.0)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), metavar="NAME", default=SMALL_FIRST)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "edgeseg-engines")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--model-api-python", help="an interpreter that has openvino-model-api")
    return parser.parse_args()


if __name__ == "__main__":
    main()
