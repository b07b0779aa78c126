"""Open an engine built for MNN: a converted model with the manifest's options, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.cores import usable_cores
from edgeseg.engines.apart.backend import ApartBackend
from edgeseg.engines.apart.process import Process, check_installed
from edgeseg.engines.backend import Tensor, read_options, refuse_if_moved
from edgeseg.engines.mnn.child import Load, Loaded
from edgeseg.engines.mnn.facts import FACTS
from edgeseg.engines.mnn.options import EngineOptions, Winograd
from edgeseg.errors import EngineError, UsageError
from edgeseg.machine import processor
from edgeseg.manifest import Manifest, open_file

WINOGRAD_MEMORY_LEVEL = 3  # a hint: how many sizes of units there are to choose from
WINOGRAD_LEVELS: Mapping[Winograd, int] = {"large": 3, "small": 1, "none": 0}


def open(folder: Path, manifest: Manifest, *, device: str | None, threads: int | None) -> ApartBackend:
    """Open a converted model; arguments and errors are those of `open_backend`."""
    check_installed(FACTS)
    options = read_options(EngineOptions, folder, manifest)
    device = device or manifest.device
    if device not in FACTS.devices:
        raise UsageError(f"MNN has no device {device!r}; it has {', '.join(FACTS.devices)}")
    outputs = options.outputs or manifest.spec.outputs
    with open_file(folder, manifest, options.model_file):  # compares it with its hash
        try:
            load = _load(folder, options, [output.name for output in outputs], threads)
            process = Process[Loaded](FACTS.title, "edgeseg.engines.mnn.child:serve", load)
        except EngineError as error:
            raise EngineError(f"MNN cannot open {folder}: {error}") from error
    try:
        built_on = {"mnn": process.loaded.version, **processor()}
        refuse_if_moved(folder, manifest, built_on)
        inputs = {name: Tensor(*tensor) for name, tensor in process.loaded.inputs.items()}
        return ApartBackend(FACTS.title, process, inputs, outputs, built_on)
    except BaseException:
        process.close()
        raise


def _load(folder: Path, options: EngineOptions, outputs: list[str], threads: int | None) -> Load:
    """Say the manifest's options in MNN's words."""
    config = session_config(options, threads)
    model = str((folder / options.model_file).resolve())
    return Load(model, outputs, config, {WINOGRAD_MEMORY_LEVEL: WINOGRAD_LEVELS[options.winograd]})


def session_config(options: EngineOptions, threads: int | None) -> dict[str, Any]:
    """Say what MNN calls the configuration of a session."""
    return {
        "backend": "CPU",
        "precision": "high",
        "numThread": threads or min(options.threads or usable_cores(), usable_cores()),
    }
