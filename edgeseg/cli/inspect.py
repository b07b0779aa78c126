"""`edgeseg inspect PATH`: what an .onnx, an engine, a package or trained weights hold."""

from __future__ import annotations

import shlex
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import click
from rich.table import Table
from rich.text import Text

from edgeseg.cli import FAILED
from edgeseg.cli.inspect_ready import inspect_ready, is_ready
from edgeseg.cli.inspect_target import inspect_for, print_report
from edgeseg.cli.inspect_weights import inspect_weights
from edgeseg.cli.options import PATH, normalisation, write_json
from edgeseg.cli.tables import console
from edgeseg.engines.packed import holds_package
from edgeseg.engines.race import read_race
from edgeseg.errors import EdgesegError, EngineError, ExportError, UsageError, one_line
from edgeseg.manifest import (
    BUILD_AGAIN,
    MANIFEST_NAME,
    PARITY_KEY,
    PARITY_NAME,
    PRECISION_NAME,
    SPEC_KEY,
    Manifest,
    read_file,
    read_manifest,
)
from edgeseg.reading import parse_json, reading
from edgeseg.records import from_json_value, to_json_value
from edgeseg.spec import InputSpec, ModelSpec, Precision
from edgeseg.targets.registry import targets
from edgeseg.tune.report import read_tuning

SHOWN_NAMES = 12  # class names on a line before "and N more"


@click.command()
@click.argument("path", type=PATH)
@click.option(
    "--target",
    type=click.Choice(targets()),
    help="What this device, library or backend would refuse of an .onnx file, and how to mend it.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="The precision of the engine that --target is asked about; by default the graph as it is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(*, path: Path, target: str | None, precision: Precision | None, as_json: bool) -> None:
    """Say what PATH holds: an .onnx file, an engine folder, a package, or weights, a file or a folder.

    Of graphs that edgeseg did not make it says what they take, and how to export them. Of weights it says the
    family and network that they are recognised as, what becomes of pixels and who says so, and the command
    that exports them.

    With --target the exit status is 1 where something of an .onnx file will be refused.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    if precision is not None and target is None:
        raise UsageError("--precision is for --target, which it asks about an engine in that precision")
    if target is not None:
        report = inspect_for(path, target, precision)
        if as_json:
            write_json(Path("-"), to_json_value(report))
        else:
            print_report(report)
        raise click.exceptions.Exit(FAILED if report.refused else 0)
    if path.is_dir() and not _holds_weights(path):
        findings = inspect_engine(path)
    elif path.suffix == ".onnx":
        findings = inspect_model(path)
    elif path.suffix == ".edgeseg" or holds_package(path):
        findings = inspect_package(path)
    elif is_ready(path):
        findings = inspect_ready(path)
    else:
        findings = inspect_weights(path)
    if as_json:
        write_json(Path("-"), findings)
        return
    table = Table("", "", show_header=False)
    for name, value in findings.items():
        table.add_row(name.replace("_", " "), Text(one_line(_as_text(value))))
    console().print(table)


def _holds_weights(folder: Path) -> bool:
    """Tell a folder of weights from one that should be an engine."""
    from edgeseg.models.checkpoints.folder import holds_weights
    from edgeseg.models.families.training_folders import weights_in

    if (folder / MANIFEST_NAME).exists():
        return False
    return holds_weights(folder) or weights_in(folder, {}) != folder


def inspect_package(path: Path) -> dict[str, Any]:
    """Describe a package after checking its files against their hashes: what is asked for, and the model."""
    from edgeseg.engines.building.package import MODEL_NAME, unpack

    with tempfile.TemporaryDirectory(prefix="edgeseg-") as unpacked:
        folder = Path(unpacked)
        package = unpack(path, folder)
        asked = package.request
        return {
            **inspect_model(folder / MODEL_NAME),
            "kind": "package",
            "asks_for": {
                "backend": asked.backend or "what the device chooses",
                "precision": asked.precision or "what the device chooses",
                "device": asked.device or "what the device chooses",
                **dict(asked.options),
            },
            "files": {name: (folder / name).stat().st_size for name in package.files},
            "build": f"edgeseg build {shlex.quote(str(path))} -o ENGINE",
        }


def inspect_engine(folder: Path) -> dict[str, Any]:
    """Describe an engine after checking its files against their hashes."""
    manifest = read_manifest(folder, check_files=True)
    return {
        "kind": "engine",
        "backend": f"{manifest.backend} {manifest.backend_version}",
        "precision": manifest.precision,
        "device": manifest.device,
        **describe_spec(manifest.spec),
        "options": dict(manifest.options),
        "passes": {
            title: f"{len(one.places)} places, {one.times_faster:.2f} times as fast"
            for title, one in manifest.passes.items()
        },
        "files": {name: (folder / name).stat().st_size for name in manifest.files},
        "parity_report": (folder / PARITY_NAME).is_file(),
        **_of_frames(_parity_of(folder, manifest), EngineError, BUILD_AGAIN),
        **_describe_precision(folder, manifest),
        **_describe_race(folder, manifest),
        **_describe_tuning(folder, manifest),
        "manifest": str(folder / MANIFEST_NAME),
    }


def _describe_race(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Give what `auto` found of each backend, where it chose this engine's."""
    told = {}
    for one in read_race(folder, manifest):
        time = "" if one.median_ms is None else f"{one.median_ms:.1f} ms"
        name = one.backend if one.version is None else f"{one.backend} {one.version}"
        told[name] = "; ".join(filter(None, [time, one.turned_down and f"turned down: {one.turned_down}"]))
    return {"race": told} if told else {}


def _describe_tuning(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Give what a tuning found of each engine, where it kept this one."""
    tuning = read_tuning(folder, manifest)
    if tuning is None:
        return {}
    several = len({one.size_hw for one in tuning.candidates}) > 1
    told = {}
    for one in tuning.candidates:
        size = f" {one.size_hw[0]}x{one.size_hw[1]}" if several else ""
        told[f"{one.name}{size}"] = (
            f"{one.latency_ms:.1f} ms, {one.drop_points:.2f} points lost, {one.verdict}"
        )
    return {"tuning_by": tuning.accuracy_of, "tuning": told}


def _parity_of(folder: Path, manifest: Manifest) -> bytes | None:
    return read_file(folder, manifest, PARITY_NAME) if PARITY_NAME in manifest.files else None


def _of_frames(report: str | bytes | None, error: type[EdgesegError], fix: str) -> dict[str, Any]:
    """Give what a parity report says of frames larger than the input; nothing if it was made before."""
    if report is None:
        return {}
    with reading("the parity report", error, what="one", fix=fix):
        figures: dict[str, float] = parse_json(report, error, "the parity report")["figures"]
        found = {name: round(float(value), 6) for name, value in figures.items() if name.startswith("frame")}
    return {"proven_from_frames": found} if found else {}


def _describe_precision(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Give what an fp16 or int8 engine's report says of its layers."""
    if PRECISION_NAME not in manifest.files:
        return {}
    from edgeseg.graph.precision.report import PrecisionReport

    with reading(folder / PRECISION_NAME, EngineError, what="a precision report", fix=BUILD_AGAIN):
        parsed = parse_json(read_file(folder, manifest, PRECISION_NAME), EngineError, PRECISION_NAME)
    report = from_json_value(PrecisionReport, parsed, where=PRECISION_NAME)
    return {
        "calibration": f"{report.images} images" + (f", {report.method}" if report.method else ""),
        "points_of": report.metric,
        "points_lost": round(report.drop_points, 3),
        "points_lost_by_the_engine": report.engine_drop_points,
        "layers_asked": dict(Counter(report.layers.values())),
        "layers_built": dict(Counter((report.built or {}).values())) or "unknown to the backend",
        "in_float": {
            kept.name: kept.reason for kept in (*report.float_layers, *report.kept, *report.operators)
        },
        "layers_in_float_and_points_lost": {
            str(point.float_layers): round(point.drop_points, 3) for point in report.curve
        },
        **({"notes": list(report.notes)} if report.notes else {}),
    }


def inspect_model(path: Path) -> dict[str, Any]:
    """Describe a portable model: its spec, and the operators of its graph; or an `.onnx` of others."""
    from edgeseg.graph.portable import PortableModel

    model = PortableModel.read(path)
    if SPEC_KEY not in model.metadata:
        return inspect_ready(path)
    spec = model.spec
    operators = Counter(node.op_type for node in model.model.graph)
    return {
        "kind": "portable model",
        "sha256": model.sha256,
        "opset": model.model.opset_imports.get(""),
        **describe_spec(spec),
        **_of_frames(model.metadata.get(PARITY_KEY), ExportError, "export it again"),
        "nodes": sum(operators.values()),
        "operators": dict(operators.most_common()),
    }


def describe_spec(spec: ModelSpec) -> dict[str, Any]:
    """Put a ModelSpec into a few lines that a person reads."""
    return {
        "network": spec.source.network,
        "task": spec.task,
        "classes": list(spec.class_names),
        "input": _describe_input(spec.input),
        "resize_filter": spec.input.resize_filter + ("" if spec.input.resize_filter_known else ", guessed"),
        "normalisation": normalisation(
            spec.graph.mean_rgb,
            spec.graph.std_rgb,
            spec.graph.network_channel_order,
            spec.graph.divide_by_255,
            spec.input.dtype,
        ),
        "output": ", ".join(f"{o.name} {o.dtype} {tuple(o.shape)}" for o in spec.outputs),
        "head": spec.head.kind if spec.task == "semantic" else None,
        "lowering": spec.graph.lowering,
        "crf": _describe_crf(spec),
        "thresholds": to_json_value(spec.thresholds),
        "said_by": dict(spec.source.said),
        "checkpoint_sha256": spec.source.checkpoint_sha256,
        "made_with": dict(spec.source.tools),
    }


def _describe_input(taken: InputSpec) -> str:
    """Say what frames become: size, channels where they are not a camera's, resizing, padding."""
    kind = "" if taken.takes_camera_frames else f" x {taken.channels} {taken.dtype}"
    size = f"{taken.batch} x {taken.height} x {taken.width}{kind}"
    multiples = f", multiples of {taken.size_divisor}" if taken.size_divisor > 1 else ""
    padding = ""
    if taken.resize != "stretch":
        around = taken.resize == "letterbox" and taken.pad_side == "both"
        colour = ",".join(f"{value:g}" for value in taken.pad_bgr)
        order = " BGR" if taken.channel_order == "bgr" else ""
        padding = f", padded {'on both sides' if around else 'right and below'} by {colour}{order}"
    return f"{size}{multiples}, {taken.resize}{padding}"


def _describe_crf(spec: ModelSpec) -> str:
    """Say whether the graph refines its logits by itself, and how."""
    stride, crf = spec.graph.crf_stride, spec.crf
    if stride is None or crf is None:
        return "not in the graph"
    appearance = f"{crf.appearance_position_px:g} px, {crf.appearance_colour:g} levels"
    smoothness = f"{crf.smoothness_position_px:g} px, weight {crf.smoothness_weight:g}"
    return (
        f"in the graph, at stride {stride}, {crf.iterations} iterations; appearance {appearance}, weight "
        f"{crf.appearance_weight:g}; smoothness {smoothness}; widths of frames {crf.height} px high"
    )


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        texts = any(isinstance(item, str) for item in value.values())
        return ("; " if texts else ", ").join(f"{name} {item}" for name, item in value.items())
    if isinstance(value, list):
        more = f" and {len(value) - SHOWN_NAMES} more" if len(value) > SHOWN_NAMES else ""
        return f"{len(value)}: " + ", ".join(map(str, value[:SHOWN_NAMES])) + more
    return str(value)
