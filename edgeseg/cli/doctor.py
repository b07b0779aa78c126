"""`edgeseg doctor`: what this machine can run, and what to install for the rest."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.markup import escape
from rich.table import Table

from edgeseg import __version__
from edgeseg.cli.options import PATH, write_json
from edgeseg.cli.outputs import check_reports
from edgeseg.cli.tables import console
from edgeseg.engines import cuda
from edgeseg.engines.registry import DEFAULT, backends, extra_of, facts_of, has_part, part_of
from edgeseg.errors import EdgesegError
from edgeseg.frames.resize_kernel import fastest
from edgeseg.machine import this_machine
from edgeseg.opencv import EXTRA as MEDIA
from edgeseg.records import to_json_value
from edgeseg.runtime.crf import kernel

NO_KERNEL = ("not built: NumPy does its work, slowly", "install a C++ compiler, then edgeseg again")


@dataclass(frozen=True)
class Part:
    """Something edgeseg can do, the modules that it needs, and the extra that installs them.

    The libraries of backends are in extras of their own, whatever the part's extra.
    """

    purpose: str
    modules: tuple[str, ...]
    extra: str


def parts() -> tuple[Part, ...]:
    """List what edgeseg can do: with each backend, and with that which proofs run in."""
    facts = [facts_of(name) for name in backends()]
    proofs = facts_of(DEFAULT).modules
    return (
        *(Part(one.purpose or one.title, one.modules, one.extra) for one in facts if one.modules),
        Part("videos, cameras, overlays", ("cv2", "av"), MEDIA),
        Part("build, verify", ("onnx", "onnx_ir", *proofs), "build"),
        Part("export, demo", ("torch", "onnx", "onnx_ir", "onnxscript", *proofs, "safetensors"), "export"),
    )


@click.command()
@click.option(
    "--json", "json_path", type=PATH, help="Write the findings as JSON ('-' for the standard output)."
)
def command(json_path: Path | None) -> None:
    """Say what this machine can run, and what to install for the rest."""
    check_reports({"--json": json_path})
    findings = examine()
    if json_path is not None:
        write_json(json_path, findings)
        return
    out = console()
    machine = findings["machine"]
    out.print(f"edgeseg {__version__}, Python {findings['python']}, {machine['system']}")
    out.print(f"{machine['cpu']}, {machine['logical_cores']} cores")
    table = Table("what", "state", "to fix")
    for part in findings["parts"]:
        missing = [name for name, version in part["versions"].items() if version is None]
        found = ", ".join(f"{name} {version}" for name, version in part["versions"].items() if version)
        state = f"missing: {', '.join(missing)}" if missing else found
        table.add_row(part["purpose"], state, escape(fix_for_part(part["extra"], missing)))
    for examined in _examined():
        for row in examined.rows(findings):
            table.add_row(*map(escape, row))
    table.add_row("CRF kernel", *describe_kernel(findings["crf_kernel"], findings["crf_kernel_in_use"]))
    built = findings["resize_kernel"]
    table.add_row("resizing kernel", *((built, "") if built else NO_KERNEL))
    table.add_row("NVIDIA GPU", escape(findings["nvidia_gpu"]), "")
    table.add_row("cameras", ", ".join(findings["cameras"]) or "none found under /dev/video*", "")
    out.print(table)


def examine() -> dict[str, Any]:
    """Collect what `doctor` prints, as values that JSON holds."""
    return {
        "edgeseg": __version__,
        "python": platform.python_version(),
        "machine": to_json_value(this_machine()),
        "parts": [
            {
                "purpose": part.purpose,
                "extra": part.extra,
                "versions": {m: version_of(m) for m in part.modules},
            }
            for part in parts()
        ],
        "crf_kernel": kernel.runnable() != ("numpy",),
        "crf_kernel_in_use": _crf_kernel(),
        "resize_kernel": fastest(),
        "nvidia_gpu": _nvidia_gpu(),
        "cameras": sorted(str(path) for path in Path("/dev").glob("video*")),
        **{name: value for own in _examined() for name, value in own.findings().items()},
    }


class Examined(NamedTuple):
    """What a backend's own `doctor` module finds, and says of it."""

    findings: Callable[[], dict[str, Any]]
    rows: Callable[[dict[str, Any]], list[tuple[str, str, str]]]


def _examined() -> list[Examined]:
    """List the backends' own examinations."""
    found = []
    for name in backends():
        if has_part(name, "doctor"):
            own = part_of(name, "doctor")
            installed = all(map(version_of, facts_of(name).modules))
            found.append(Examined(partial(own.examine, installed), own.rows))
    return found


def fix_for_part(extra: str, missing: Sequence[str]) -> str:
    """Give the command that installs what is missing; a backend's library is in the backend's extra."""
    extras = dict.fromkeys(extra_of(module) or extra for module in missing)
    return f"pip install 'edgeseg[{','.join(extras)}]'" if extras else ""


def describe_kernel(built: bool, in_use: str) -> tuple[str, str]:
    """Give the state of the CRF's kernel, and what fixes or changes it."""
    if built:
        return in_use, f"{kernel.VARIABLE} chooses of {', '.join(kernel.runnable())}"
    return NO_KERNEL


def version_of(module: str) -> str | None:
    """Return the version of a module without importing it, or None where it is not installed."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a folder of type stubs alone has no origin
        return None
    owners = importlib.metadata.packages_distributions().get(module)
    return importlib.metadata.version(owners[0]) if owners else "?"


def _crf_kernel() -> str:
    """Name the kernel in use, or say why there is none."""
    try:
        return kernel.in_use()
    except EdgesegError as error:
        return str(error)


def _nvidia_gpu() -> str:
    """Name the GPU and what its driver runs, or say why there is none."""
    try:
        return f"{cuda.device_name()}, driver for CUDA {cuda.driver_version()}"
    except EdgesegError as error:
        return str(error)
