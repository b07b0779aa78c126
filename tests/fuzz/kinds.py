"""Every kind of file and text that edgeseg reads: a valid sample, its mutations, and the reader of it.

A reader passes, or raises an EdgesegError (or click's error of usage); anything else is a fault.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import onnx
import safetensors.torch
import torch

from edgeseg.bundle import GOLDEN_KEY, MANIFEST_NAME, PARITY_KEY, PRECISION_NAME, SPEC_KEY, read_manifest
from edgeseg.cli import status_of
from edgeseg.cli.crf_options import CRFParameter
from edgeseg.cli.inspect import inspect_engine, inspect_model
from edgeseg.cli.options import Number, Size, Triple, read_class_names
from edgeseg.cli.palette_options import BackgroundClass, read_palette
from edgeseg.errors import EdgesegError
from edgeseg.export.engines.build import GOLDEN_NAME, verify_engine
from edgeseg.export.golden import Golden, sample_all
from edgeseg.export.package import MANIFEST_NAME as PACKAGE_MANIFEST
from edgeseg.export.package import MODEL_NAME, Package, Recipe, unpack
from edgeseg.export.parity import run_all
from edgeseg.export.pictures import pictures
from edgeseg.export.portable import graph_sha256, load_onnx, open_run
from edgeseg.export.precision.cache import read_cache, write_cache
from edgeseg.export.precision.choice import Int8Choice
from edgeseg.export.precision.report import CurvePoint, Kept, PrecisionReport
from edgeseg.export.preflight import preflight
from edgeseg.export.verify import verify_model
from edgeseg.limits import parse
from edgeseg.models.checkpoint import read_checkpoint
from edgeseg.models.loading import open_network
from edgeseg.models.unet import UNet
from edgeseg.records import to_plain
from edgeseg.runtime import Segmenter
from edgeseg.runtime.backends import open_backend
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.image_file import read_stored
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES
from edgeseg.spec import ModelSpec
from tests.fuzz.mutations import TEXTS, mutated_bytes, mutated_json, mutated_json_text
from tests.runtime.tiny_models import MODEL_FILE, labels_engine, logits_engine

SIZE_HW = (32, 48)
FRAMES = 3  # that are read of a mutated source
VIDEO_FRAMES = 12
VIDEOS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
SOURCES = ("synthetic:64x48?frames=2", "synthetic:", "nothing.mp4", "0x7", "./0", "synthetic:64x48?seed=3")
NOT_TRIED = ("://", "gst:", "/dev")  # they reach outside
FLAGS = ("--size", "--frames", "x.onnx", "-o")
COMMANDS = ("run", "inspect", "export", "build", "profile")
OUTPUTS = ("r.mp4", "r.jsonl", "maps", "r.png")
OPTIONS: tuple[tuple[click.ParamType[Any], str], ...] = (
    (Size(), "480x640"),
    (Triple(), "0.485,0.456,0.406"),
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
    engine = labels_engine(folder / "labels", SIZE_HW)
    _add_reports(engine)
    portable = _portable(engine, folder / "model.onnx")
    return [
        Kind("manifest", lambda rng, at: _manifest(engine, rng, at)),
        Kind("options", lambda rng, at: _options(logits_engine(at / "engine", SIZE_HW), rng)),
        Kind("engine file", lambda rng, at: _engine_file(engine, rng, at)),
        Kind("onnx", lambda rng, at: _onnx(portable, rng, at)),
        Kind("metadata", lambda rng, at: _metadata(portable, rng, at)),
        Kind("spec", lambda rng, at: _spec(engine, rng)),
        Kind("package", lambda rng, at: _package(portable, rng, at)),
        Kind("int8 ranges", lambda rng, at: _int8_ranges(rng)),
        Kind("calibration cache", _calibration_cache),
        *_checkpoints(folder),
        *_images(),
        *_videos(folder),
        Kind("class names", _class_names),
        Kind("palette", _palette),
        Kind("label map", _label_map),
        Kind("text", _text),
        Kind("command", lambda rng, at: _command(engine, portable, rng, at)),
    ]


def _frame(seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE_HW, 3), np.uint8)


def _report() -> PrecisionReport:
    kept = (Kept("conv", "too sensitive"),)
    return PrecisionReport(
        "int8", 4, kept, 0.25, {"conv": "int8"}, float_layers=kept, curve=(CurvePoint(1, 0.5),)
    )


def _add_reports(engine: Path) -> None:
    """Put golden outputs and a precision report beside an engine's graph."""
    names = [*read_manifest(engine).files, GOLDEN_NAME, PRECISION_NAME]
    (engine / GOLDEN_NAME).write_text(_golden(engine / MODEL_FILE).to_json())
    (engine / PRECISION_NAME).write_text(_report().to_json())
    _rehash(engine, json.loads((engine / MANIFEST_NAME).read_text()), names)


def _rehash(engine: Path, plain: Any, names: list[str]) -> None:
    plain["files"] = {name: hashlib.sha256((engine / name).read_bytes()).hexdigest() for name in names}
    (engine / MANIFEST_NAME).write_text(json.dumps(plain))


def _golden(model: Path) -> Golden:
    found = run_all(open_run(model), pictures((0, 1), SIZE_HW), 1)
    return Golden((0, 1), sample_all(found), graph_sha256(onnx.load(model)))


def _portable(engine: Path, target: Path) -> Path:
    spec = read_manifest(engine).spec
    model = onnx.load(engine / MODEL_FILE)
    properties = {SPEC_KEY: spec.to_json(), PARITY_KEY: "{}"}
    onnx.helper.set_model_props(model, properties)
    golden = _golden(engine / MODEL_FILE)
    golden = Golden(golden.seeds, golden.outputs, graph_sha256(model))
    onnx.helper.set_model_props(model, {**properties, GOLDEN_KEY: golden.to_json()})
    onnx.save(model, target)
    assert verify_model(target).passed
    return target


def _copied(engine: Path, target: Path) -> Path:
    target.mkdir()
    for path in engine.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def _use(engine: Path) -> None:
    with Segmenter.open(engine) as segmenter:
        segmenter(_frame())


def _manifest(engine: Path, rng: random.Random, at: Path) -> None:
    copy = _copied(engine, at / "engine")
    plain = json.loads((engine / MANIFEST_NAME).read_text())
    (copy / MANIFEST_NAME).write_bytes(mutated_json_text(plain, rng))
    rng.choice((_use, inspect_engine))(copy)


def _options(engine: Path, rng: random.Random) -> None:
    plain = json.loads((engine / MANIFEST_NAME).read_text())
    plain["options"] = mutated_json(
        {"model_file": MODEL_FILE, "intra_op_threads": 1, "execution_mode": "parallel"}, rng
    )
    if rng.random() < 0.3:
        plain["backend"] = "openvino"
        plain["options"] = mutated_json({"streams": 1, "threads": 1, "pinned": False}, rng)
    (engine / MANIFEST_NAME).write_text(json.dumps(plain))
    _use(engine)


def _engine_file(engine: Path, rng: random.Random, at: Path) -> None:
    copy = _copied(engine, at / "engine")
    plain = json.loads((copy / MANIFEST_NAME).read_text())
    name = rng.choice([*plain["files"]])
    path = copy / name
    if name.endswith(".json"):
        path.write_bytes(mutated_json_text(json.loads(path.read_text()), rng))
    else:
        path.write_bytes(mutated_bytes(path.read_bytes(), rng))
    _rehash(copy, plain, [*plain["files"]])
    if name == MODEL_FILE:
        _use(copy)
    elif name == PRECISION_NAME:
        inspect_engine(copy)
    else:
        verify_engine(copy, open_engine=open_backend)


def _onnx(portable: Path, rng: random.Random, at: Path) -> None:
    path = at / "model.onnx"
    path.write_bytes(mutated_bytes(portable.read_bytes(), rng))
    if rng.random() < 0.5:
        preflight(load_onnx(path), "tensorrt")
    else:
        verify_model(path)


def _metadata(portable: Path, rng: random.Random, at: Path) -> None:
    model = onnx.load(portable)
    entry = rng.choice(model.metadata_props)
    text = mutated_json_text(json.loads(entry.value), rng)
    entry.value = text.decode(errors="replace")
    path = at / "model.onnx"
    onnx.save(model, path)
    rng.choice((verify_model, inspect_model))(path)


def _spec(engine: Path, rng: random.Random) -> None:
    ModelSpec.from_json(mutated_json_text(to_plain(read_manifest(engine).spec), rng))


def _package(portable: Path, rng: random.Random, at: Path) -> None:
    model = portable.read_bytes()
    spec = ModelSpec.from_json(next(e.value for e in onnx.load(portable).metadata_props if e.key == SPEC_KEY))
    package = to_plain(Package(Recipe("onnxruntime"), spec, {MODEL_NAME: hashlib.sha256(model).hexdigest()}))
    text = mutated_json_text(package, rng) if rng.random() < 0.5 else json.dumps(package).encode()
    block = io.BytesIO()
    with zipfile.ZipFile(block, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))) as archive:
        archive.writestr(PACKAGE_MANIFEST, text)
        archive.writestr(MODEL_NAME, model)
    path = at / "model.edgeseg"
    path.write_bytes(mutated_bytes(block.getvalue(), rng) if rng.random() < 0.7 else block.getvalue())
    (at / "into").mkdir()
    unpack(path, at / "into")


def _int8_ranges(rng: random.Random) -> None:
    choice = Int8Choice("ab", "onnxruntime", {"x": 1.5, "y": 2.0}, ("conv",), _report())
    Int8Choice.from_json(mutated_json_text(to_plain(choice), rng).decode(errors="replace"))


def _calibration_cache(rng: random.Random, at: Path) -> None:
    path = at / "cache.json"
    write_cache(path, "key", {"x": 1.5})
    path.write_bytes(mutated_json_text(json.loads(path.read_text()), rng))
    read_cache(path, "key")


def _checkpoints(folder: Path) -> Iterator[Kind]:
    weights = UNet(2, width=2, depth=2).state_dict()
    content = {"model": weights, "epoch": 3, "args": {"lr": 0.1}}
    torch.save(content, folder / "zip.pth")
    torch.save(content, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(weights, folder / "w.safetensors")
    for name in ("zip.pth", "legacy.pth", "w.safetensors"):
        sample = (folder / name).read_bytes()
        yield Kind(f"checkpoint {name}", partial(_checkpoint, sample))


def _checkpoint(sample: bytes, rng: random.Random, at: Path) -> None:
    path = at / "weights"
    within = zipfile.is_zipfile(io.BytesIO(sample)) and rng.random() < 0.7
    path.write_bytes(_with_a_mutated_file(sample, rng) if within else mutated_bytes(sample, rng))
    if rng.random() < 0.7:
        read_checkpoint(path)
    else:
        open_network("unet", path)


def _with_a_mutated_file(sample: bytes, rng: random.Random) -> bytes:
    """Mutate one file of an archive, whose checksums are right."""
    block = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sample)) as good, zipfile.ZipFile(block, "w") as archive:
        names = good.namelist()
        chosen = rng.choice((names[0], names[0], *names))  # first the pickle
        for name in names:
            data = good.read(name)
            archive.writestr(name, mutated_bytes(data, rng) if name == chosen else data)
    return block.getvalue()


def _images() -> Iterator[Kind]:
    for suffix in sorted(IMAGE_SUFFIXES):
        try:
            written, block = cv2.imencode(suffix, _frame())
        except cv2.error:
            continue
        if written:
            sample = block.tobytes()
            yield Kind(
                f"image {suffix}",
                lambda rng, at, suffix=suffix, sample=sample: _source(sample, suffix, rng, at),
            )


def _videos(folder: Path) -> Iterator[Kind]:
    for suffix, codec in VIDEOS.items():
        path = folder / f"video{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25, SIZE_HW[::-1])
        for index in range(VIDEO_FRAMES):
            writer.write(_frame(index))
        writer.release()
        sample = path.read_bytes()
        yield Kind(f"video {suffix}", partial(_source, sample, suffix))


def _source(sample: bytes, suffix: str, rng: random.Random, at: Path) -> None:
    path = at / f"source{suffix}"
    path.write_bytes(mutated_bytes(sample, rng))
    with open_source(path) as source:
        for _ in islice(source, FRAMES):
            pass


def _class_names(rng: random.Random, at: Path) -> None:
    path = at / "names.txt"
    names = "\n".join(("background", "straße", "猫", "dog") * rng.choice((1, 100)))
    path.write_bytes(mutated_bytes(names.encode(), rng))
    read_class_names(path)


def _palette(rng: random.Random, at: Path) -> None:
    path = at / "palette.txt"
    path.write_bytes(mutated_bytes("\n".join(("#000000", "255,0,7", "0 128 255")).encode(), rng))
    read_palette(path)


def _label_map(rng: random.Random, at: Path) -> None:
    path = at / "labels.png"
    path.write_bytes(mutated_bytes(cv2.imencode(".png", _frame()[..., 0])[1].tobytes(), rng))
    read_stored(path, cv2.IMREAD_UNCHANGED)


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
                for _ in islice(source, FRAMES):
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
        copy = _copied(engine, hostile)
        plain = json.loads((engine / MANIFEST_NAME).read_text())
        (copy / MANIFEST_NAME).write_bytes(mutated_json_text(plain, rng))
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
