"""Every kind of file and text that edgeseg reads: a valid sample, its mutations, and the reader of it.

A reader passes, or raises an EdgesegError (or click's error of usage); anything else is a fault.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import click
import torch

from edgeseg.cli import status_of
from edgeseg.cli.crf_options import CRFParameter
from edgeseg.cli.options import Number, Numbers, Size
from edgeseg.cli.palette_options import BackgroundClass
from edgeseg.errors import EdgesegError
from edgeseg.limits import parse
from edgeseg.manifest import MANIFEST_NAME
from edgeseg.runtime.sources import open_source
from tests.fuzz import artifacts, files
from tests.fuzz.mutations import TEXTS, mutated_bytes, mutated_json_text
from tests.runtime.tiny_models import instance_engine, labels_engine, logits_engine

SOURCES = ("synthetic:64x48?frames=2", "synthetic:", "nothing.mp4", "0x7", "./0", "synthetic:64x48?seed=3")
NOT_TRIED = ("://", "gst:", "/dev")  # they reach outside
FLAGS = ("--size", "--frames", "x.onnx", "-o")
COMMANDS = ("run", "inspect", "export", "build", "profile")
OUTPUTS = ("r.mp4", "r.jsonl", "maps", "r.png")
OPTIONS: tuple[tuple[click.ParamType[Any], str], ...] = (
    (Size(), "480x640"),
    (Numbers(), "0.485,0.456,0.406"),
    (Number(0.0, 1.0), "0.25"),
    (CRFParameter(), "iterations=3"),
    (BackgroundClass(), "0"),
)
UNEXPECTED = ("error: unexpected", "Traceback")


@dataclass(frozen=True)
class Kind:
    """What is fuzzed: makes the hostile input in a folder, and reads it as a command would."""

    name: str
    run: Callable[[random.Random, Path], None]


def kinds(folder: Path) -> list[Kind]:
    """Make the samples in a folder that stays, and list what is done with them."""
    torch.manual_seed(0)
    engine = artifacts.with_reports(labels_engine(folder / "labels", artifacts.SIZE_HW))
    boxes, scores = [[1, 2, 20, 30], [5, 5, 40, 25]], [0.9, 0.6]
    detector = instance_engine(folder / "boxes", boxes, scores, size_hw=artifacts.SIZE_HW)
    detector = artifacts.with_reports(detector)
    logits = logits_engine(folder / "logits", artifacts.SIZE_HW)
    model = artifacts.portable(engine, folder / "model.onnx")
    weights, sources = files.checkpoints(folder), files.images() | files.videos(folder)
    return [
        Kind("manifest", partial(artifacts.manifest, engine)),
        Kind("options", partial(artifacts.options, logits)),
        Kind("engine file", partial(artifacts.engine_file, engine)),
        Kind("detector's file", partial(artifacts.engine_file, detector)),
        Kind("onnx", partial(artifacts.onnx_file, model)),
        Kind("metadata", partial(artifacts.metadata, model)),
        Kind("spec", partial(artifacts.spec, engine)),
        Kind("package", partial(artifacts.package, model)),
        Kind("int8 ranges", artifacts.int8_ranges),
        Kind("calibration cache", artifacts.calibration_cache),
        *(Kind(f"checkpoint {name}", partial(files.checkpoint, each)) for name, each in weights.items()),
        *(Kind(f"source {suffix}", partial(files.source, each, suffix)) for suffix, each in sources.items()),
        Kind("class names", files.class_names),
        Kind("palette", files.palette),
        Kind("label map", files.label_map),
        Kind("annotations", files.coco),
        Kind("text", _text),
        Kind("command", partial(_command, engine, model)),
    ]


def _mutated_text(text: str, rng: random.Random) -> str:
    changed = mutated_bytes(text.encode(), rng).decode(errors=rng.choice(("replace", "surrogateescape")))
    place = rng.randint(0, len(changed))
    return changed[:place] + rng.choice(TEXTS) + changed[place:] if rng.random() < 0.3 else changed


def _text(rng: random.Random, at: Path) -> None:
    way = rng.randrange(3)
    if way == 0:
        text = _mutated_text(rng.choice(SOURCES), rng)
        if not any(word in text.lower() for word in NOT_TRIED) and not text.isdecimal():
            with open_source(text) as source:
                for _ in islice(source, files.FRAMES):
                    pass
    elif way == 1:
        option, text = rng.choice(OPTIONS)
        option.convert(_mutated_text(text, rng), None, None)
    else:
        parse(_mutated_text("bytes=8G,pixels=1M", rng))


def _command(engine: Path, portable: Path, rng: random.Random, at: Path) -> None:
    """Run a whole command on something mutated; its status is 0, 1 or 2, and it says nothing unexpected."""
    hostile = at / "hostile"
    way = rng.randrange(4)
    if way == 0:
        model = hostile.with_suffix(".onnx")
        model.write_bytes(mutated_bytes(portable.read_bytes(), rng))
        words = [rng.choice(("inspect", "verify")), str(model)]
    elif way == 1:
        copy = artifacts.copied(engine, hostile)
        parsed = json.loads((engine / MANIFEST_NAME).read_text())
        (copy / MANIFEST_NAME).write_bytes(mutated_json_text(parsed, rng))
        words = rng.choice((["inspect", str(copy)], ["run", str(copy), "synthetic:64x48", "--frames", "1"]))
    elif way == 2:
        output = _mutated_text(rng.choice(OUTPUTS), rng).replace("/", "").replace("..", "")
        words = ["run", str(engine), "synthetic:64x48?frames=1", "-o", str(at / output)]
    else:
        words = rng.choice(
            (["run", str(engine)], ["inspect"], ["export"], ["build"], ["profile", str(engine)])
        )
        words = [
            *words,
            *(_mutated_text(rng.choice(("--size", "--frames", "x.onnx", "-o")), rng) for _ in range(2)),
        ]
        if any(mark in word.lower() for word in words for mark in NOT_TRIED) or words[-2].isdecimal():
            return
    words = [word.replace("\0", "") for word in words]  # no argument of a program can hold it
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = status_of(words)
    lines = said.getvalue()
    if status not in (0, 1, 2) or any(word in lines for word in UNEXPECTED):
        raise AssertionError(f"edgeseg {words!r} ended with {status}: {lines[-500:]}")
    for line in lines.splitlines():
        if not line.isprintable():
            raise AssertionError(f"edgeseg {words!r} printed {line!r}")


ALLOWED: tuple[type[Exception], ...] = (EdgesegError, click.ClickException)
"""What a reader may raise."""
