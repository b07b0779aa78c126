"""`edgeseg doctor`: what this machine can run, and what to install for the rest."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from edgeseg import __version__
from edgeseg.cli.options import PATH, write_json
from edgeseg.cli.tables import console
from edgeseg.engines import cuda
from edgeseg.errors import EdgesegError
from edgeseg.extras import require
from edgeseg.machine import this_machine
from edgeseg.records import to_plain
from edgeseg.runtime.crf import kernel


@dataclass(frozen=True)
class Part:
    """Something edgeseg can do, the modules that it needs, and the extra that installs them.

    ONNX Runtime is in `cpu` or `gpu` whatever the part's extra.
    """

    purpose: str
    modules: tuple[str, ...]
    extra: str


PARTS = (
    Part("run, profile: ONNX Runtime engines", ("onnxruntime",), "cpu"),
    Part("run, build: OpenVINO engines", ("openvino",), "openvino"),
    Part("TensorRT", ("tensorrt",), "tensorrt"),
    Part("TensorRT for RTX", ("tensorrt_rtx",), "tensorrt-rtx"),
    Part("build, verify", ("onnx", "onnxruntime"), "build"),
    Part("export, demo", ("torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "safetensors"), "export"),
)

# Wheels that hold the module `onnxruntime`; each overwrites the other.
CPU_WHEEL, GPU_WHEEL = "onnxruntime", "onnxruntime-gpu"

# Execution providers that edgeseg opens engines on, and the extra whose wheel holds them, if one does.
PROVIDERS = {
    "CPUExecutionProvider": ("--device cpu", "cpu"),
    "CUDAExecutionProvider": ("--device cuda", "gpu"),
    "TensorrtExecutionProvider": ("--device tensorrt", "gpu"),
    "NvTensorRTRTXExecutionProvider": ("--device tensorrt_rtx", None),
    "OpenVINOExecutionProvider": ("--device openvino", None),
}


@click.command()
@click.option(
    "--json", "json_path", type=PATH, help="Write the findings as JSON ('-' for the standard output)."
)
def command(json_path: Path | None) -> None:
    """Say what this machine can run, and what to install for the rest."""
    findings = examine()
    if json_path is not None:
        write_json(json_path, findings)
        return
    out = console()
    machine = findings["machine"]
    out.print(f"edgeseg {__version__}, Python {findings['python']}, {machine['system']}")
    out.print(f"{machine['cpu']}, {machine['logical_cores']} cores")
    table = Table("what", "state", "to mend")
    for part in findings["parts"]:
        missing = [name for name, version in part["versions"].items() if version is None]
        found = ", ".join(f"{name} {version}" for name, version in part["versions"].items() if version)
        state = f"missing: {', '.join(missing)}" if missing else found
        table.add_row(part["purpose"], state, escape(mend_part(part["extra"], missing)))
    for name, (flag, extra) in PROVIDERS.items():
        here = name in findings["providers"]
        mend = "" if here or extra is None else mend_provider(extra, findings["onnxruntime_wheels"])
        table.add_row(f"{name} ({flag})", "ready" if here else "not here", escape(mend))
    wheels = findings["onnxruntime_wheels"]
    if len(wheels) > 1:
        table.add_row(" and ".join(wheels), "overwrite each other", escape(mend_provider("gpu", wheels)))
    table.add_row("CRF kernel", *describe_kernel(findings["crf_kernel"], findings["crf_kernel_in_use"]))
    table.add_row("devices of OpenVINO", escape(", ".join(findings["openvino_devices"])) or "none", "")
    table.add_row("NVIDIA GPU", escape(findings["nvidia_gpu"]), "")
    table.add_row("cameras", ", ".join(findings["cameras"]) or "none found under /dev/video*", "")
    out.print(table)


def examine() -> dict[str, Any]:
    """Collect what `doctor` prints, as plain values."""
    return {
        "edgeseg": __version__,
        "python": platform.python_version(),
        "machine": to_plain(this_machine()),
        "parts": [
            {
                "purpose": part.purpose,
                "extra": part.extra,
                "versions": {m: version_of(m) for m in part.modules},
            }
            for part in PARTS
        ],
        "providers": _providers(),
        "onnxruntime_wheels": [wheel for wheel in (CPU_WHEEL, GPU_WHEEL) if _is_installed(wheel)],
        "crf_kernel": kernel.runnable() != ("numpy",),
        "crf_kernel_in_use": _crf_kernel(),
        "openvino_devices": _openvino_devices(),
        "nvidia_gpu": _nvidia_gpu(),
        "cameras": sorted(str(path) for path in Path("/dev").glob("video*")),
    }


def mend_part(extra: str, missing: Sequence[str]) -> str:
    """Give the command that installs what is missing, and no second ONNX Runtime."""
    extras = dict.fromkeys("cpu" if module == "onnxruntime" else extra for module in missing)
    return f"pip install 'edgeseg[{','.join(extras)}]'" if extras else ""


def mend_provider(extra: str, wheels: Sequence[str]) -> str:
    """Give the command that brings the wheel of an execution provider; any other has to go first."""
    install = f"pip install 'edgeseg[{extra}]'"
    return f"pip uninstall {' '.join(wheels)}; {install}" if wheels else install


def describe_kernel(built: bool, in_use: str) -> tuple[str, str]:
    """Give the state of the CRF's kernel, and what mends or changes it."""
    if built:
        return in_use, f"{kernel.VARIABLE} chooses of {', '.join(kernel.runnable())}"
    return "not built: NumPy does its work, slowly", "install a C++ compiler, then edgeseg again"


def version_of(module: str) -> str | None:
    """Return the version of a module without importing it, or None where it is not installed."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a folder of type stubs alone has no origin
        return None
    owners = importlib.metadata.packages_distributions().get(module)
    return importlib.metadata.version(owners[0]) if owners else "?"


def _is_installed(wheel: str) -> bool:
    try:
        importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _providers() -> list[str]:
    if version_of("onnxruntime") is None:
        return []
    return list(require("onnxruntime", "cpu").get_available_providers())


def _openvino_devices() -> list[str]:
    """Name what OpenVINO runs on, as `CPU: AMD EPYC`."""
    if version_of("openvino") is None:
        return []
    core = require("openvino", "openvino").Core()
    return [f"{name}: {core.get_property(name, 'FULL_DEVICE_NAME')}" for name in core.available_devices]


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
