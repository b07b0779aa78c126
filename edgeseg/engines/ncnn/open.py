"""Open an engine built for ncnn: a network with the manifest's options, in a process of its own."""

from __future__ import annotations

from pathlib import Path

from edgeseg.cores import usable_cores
from edgeseg.engines.apart.backend import ApartBackend
from edgeseg.engines.apart.process import Process, check_installed
from edgeseg.engines.backend import Tensor, read_options, refuse_if_moved
from edgeseg.engines.ncnn.child import INPUT_BLOB, Load, Loaded
from edgeseg.engines.ncnn.facts import FACTS
from edgeseg.engines.ncnn.options import EngineOptions
from edgeseg.errors import EngineError, UsageError
from edgeseg.machine import processor
from edgeseg.manifest import Manifest, open_file


def open(folder: Path, manifest: Manifest, *, device: str | None, threads: int | None) -> ApartBackend:
    """Open a network; arguments and errors are those of `open_backend`."""
    check_installed(FACTS)
    options = read_options(EngineOptions, folder, manifest)
    device = device or manifest.device
    if device not in FACTS.devices:
        raise UsageError(f"ncnn has no device {device!r}; it has {', '.join(FACTS.devices)}")
    with (  # compares them with their hashes
        open_file(folder, manifest, options.model_file),
        open_file(folder, manifest, options.weights_file),
    ):
        try:
            load = load_of(folder, manifest, options, threads)
            process = Process[Loaded](FACTS.title, "edgeseg.engines.ncnn.child:serve", load)
        except EngineError as error:
            raise EngineError(f"ncnn cannot open {folder}: {error}") from error
    try:
        built_on = {"ncnn": process.loaded.version, **processor()}
        refuse_if_moved(folder, manifest, built_on)
        taken = manifest.spec.input
        shape = (taken.batch, taken.height, taken.width, taken.channels)
        inputs = {INPUT_BLOB: Tensor(taken.dtype, shape)}
        return ApartBackend(FACTS.title, process, inputs, manifest.spec.outputs, built_on)
    except BaseException:
        process.close()
        raise


def load_of(folder: Path, manifest: Manifest, options: EngineOptions, threads: int | None) -> Load:
    """Say the manifest's options in ncnn's words."""
    return Load(
        model=str((folder / options.model_file).resolve()),
        weights=str((folder / options.weights_file).resolve()),
        outputs=[output.name for output in manifest.spec.outputs],
        labels=options.labels,
        threads=threads or min(options.threads or usable_cores(), usable_cores()),
        spinning=options.spinning,
    )
