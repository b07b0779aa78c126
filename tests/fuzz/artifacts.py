"""Mutate what edgeseg itself writes (engines, models, packages, ranges) and read it as commands do."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgeseg.cli.inspect import inspect_engine, inspect_model
from edgeseg.engines.building.package import MANIFEST_NAME as PACKAGE_MANIFEST
from edgeseg.engines.building.package import MODEL_NAME, Package, unpack
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.packed import PackedRequest
from edgeseg.graph.golden.golden import GOLDEN_NAME, Golden, sample_all
from edgeseg.graph.portable import graph_sha256
from edgeseg.graph.precision.cache import Cache
from edgeseg.graph.precision.choice import Int8Choice
from edgeseg.graph.precision.report import CurvePoint, Kept, PrecisionReport
from edgeseg.graph.running import open_run, run_all
from edgeseg.manifest import GOLDEN_KEY, MANIFEST_NAME, PARITY_KEY, PRECISION_NAME, SPEC_KEY, read_manifest
from edgeseg.proof.verify import verify_model
from edgeseg.records import to_json_value
from edgeseg.runtime import Segmenter
from edgeseg.scenes.pictures import pictures
from edgeseg.spec import ModelSpec
from edgeseg.targets.examine import examine
from edgeseg.targets.registry import target_of, targets
from tests.fuzz.mutations import mutated_bytes, mutated_json, mutated_json_text
from tests.runtime.tiny_models import MODEL_FILE

SIZE_HW = (32, 48)


def frame(seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE_HW, 3), np.uint8)


def _report() -> PrecisionReport:
    kept = (Kept("conv", "too sensitive"),)
    return PrecisionReport(
        "int8", 4, kept, 0.25, {"conv": "int8"}, float_layers=kept, curve=(CurvePoint(1, 0.5),)
    )


def with_reports(engine: Path) -> Path:
    """Put golden outputs and a precision report beside an engine's graph."""
    names = [*read_manifest(engine).files, GOLDEN_NAME, PRECISION_NAME]
    (engine / GOLDEN_NAME).write_text(_golden(engine / MODEL_FILE).to_json())
    (engine / PRECISION_NAME).write_text(_report().to_json())
    _rehash(engine, json.loads((engine / MANIFEST_NAME).read_text()), names)
    return engine


def _rehash(engine: Path, value: Any, names: list[str]) -> None:
    value["files"] = {name: hashlib.sha256((engine / name).read_bytes()).hexdigest() for name in names}
    (engine / MANIFEST_NAME).write_text(json.dumps(value))


def _golden(model: Path) -> Golden:
    found = run_all(open_run(model), pictures((0, 1), SIZE_HW), 1)
    return Golden((0, 1), sample_all(found), graph_sha256(onnx.load(model)))


def portable(engine: Path, target: Path) -> Path:
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


def copied(engine: Path, target: Path) -> Path:
    target.mkdir()
    for path in engine.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def _use(engine: Path) -> None:
    with Segmenter.open(engine) as segmenter:
        segmenter(frame())


def manifest(engine: Path, rng: random.Random, at: Path) -> None:
    copy = copied(engine, at / "engine")
    value = json.loads((engine / MANIFEST_NAME).read_text())
    (copy / MANIFEST_NAME).write_bytes(mutated_json_text(value, rng))
    rng.choice((_use, inspect_engine))(copy)


def options(engine: Path, rng: random.Random, at: Path) -> None:
    engine = copied(engine, at / "engine")
    value = json.loads((engine / MANIFEST_NAME).read_text())
    value["options"] = mutated_json(
        {"model_file": MODEL_FILE, "intra_op_threads": 1, "execution_mode": "parallel"}, rng
    )
    if rng.random() < 0.3:
        value["backend"] = "openvino"
        value["options"] = mutated_json({"streams": 1, "threads": 1, "pinned": False}, rng)
    (engine / MANIFEST_NAME).write_text(json.dumps(value))
    _use(engine)


def engine_file(engine: Path, rng: random.Random, at: Path) -> None:
    copy = copied(engine, at / "engine")
    value = json.loads((copy / MANIFEST_NAME).read_text())
    name = rng.choice([*value["files"]])
    path = copy / name
    if name.endswith(".json"):
        path.write_bytes(mutated_json_text(json.loads(path.read_text()), rng))
    else:
        path.write_bytes(mutated_bytes(path.read_bytes(), rng))
    _rehash(copy, value, [*value["files"]])
    if name == MODEL_FILE:
        _use(copy)
    elif name == PRECISION_NAME:
        inspect_engine(copy)
    else:
        verify_engine(copy)


def onnx_file(portable: Path, rng: random.Random, at: Path) -> None:
    path = at / "model.onnx"
    path.write_bytes(mutated_bytes(portable.read_bytes(), rng))
    if rng.random() < 0.5:
        examine(path, target_of(rng.choice(targets())))
    else:
        verify_model(path)


def metadata(portable: Path, rng: random.Random, at: Path) -> None:
    model = onnx.load(portable)
    entry = rng.choice(model.metadata_props)
    text = mutated_json_text(json.loads(entry.value), rng)
    entry.value = text.decode(errors="replace")
    path = at / "model.onnx"
    onnx.save(model, path)
    rng.choice((verify_model, inspect_model))(path)


def spec(engine: Path, rng: random.Random, at: Path) -> None:
    ModelSpec.from_json(mutated_json_text(to_json_value(read_manifest(engine).spec), rng))


def package(portable: Path, rng: random.Random, at: Path) -> None:
    model = portable.read_bytes()
    described = ModelSpec.from_json(
        next(e.value for e in onnx.load(portable).metadata_props if e.key == SPEC_KEY)
    )
    value = to_json_value(
        Package(PackedRequest("onnxruntime"), described, {MODEL_NAME: hashlib.sha256(model).hexdigest()})
    )
    text = mutated_json_text(value, rng) if rng.random() < 0.5 else json.dumps(value).encode()
    block = io.BytesIO()
    with zipfile.ZipFile(block, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))) as archive:
        archive.writestr(PACKAGE_MANIFEST, text)
        archive.writestr(MODEL_NAME, model)
    path = at / "model.edgeseg"
    path.write_bytes(mutated_bytes(block.getvalue(), rng) if rng.random() < 0.7 else block.getvalue())
    (at / "into").mkdir()
    unpack(path, at / "into")


def int8_ranges(rng: random.Random, at: Path) -> None:
    choice = Int8Choice("ab", "onnxruntime", {"x": 1.5, "y": 2.0}, ("conv",), _report())
    Int8Choice.from_json(mutated_json_text(to_json_value(choice), rng).decode(errors="replace"))


def calibration_cache(rng: random.Random, at: Path) -> None:
    path = at / "cache.json"
    Cache(path).add("key", {"x": 1.5})
    path.write_bytes(mutated_json_text(json.loads(path.read_text()), rng))
    Cache(path).get("key")
