"""Turn a finished engine in int8 or fp16 into its time beside that of the same model in fp32."""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import closing
from pathlib import Path

from edgeseg.bundle import Manifest
from edgeseg.export.engines import OpenVINOOptions, Runner, Task
from edgeseg.export.engines.modules import write_files_of
from edgeseg.export.engines.tuning import Measured, measure


def beside_float(task: Task, model: Path, manifest: Manifest, engine: Runner) -> list[Measured]:
    """Measure an engine and one of its portable model in turn, with the same threads, fastest first.

    Args:
        task: that the engine was made by.
        model: the portable model.
        manifest: of the engine.

    Returns:
        Two entries, whose options are the `precision` alone; none where engines take time to make.
    """
    write = write_files_of(manifest.backend)
    if write is None:
        return []
    request = dataclasses.replace(
        task.request, backend=manifest.backend, precision="fp32", openvino=OpenVINOOptions()
    )
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
        own = dataclasses.replace(task, staging=Path(folder), model=model, request=request)
        plain = write(own)
        plain = dataclasses.replace(plain, options={**manifest.options, **plain.options})
        with closing(task.open_engine(own.staging, plain)) as in_float:
            return measure(
                [
                    ({"precision": manifest.precision}, lambda: engine.infer(task.image)),
                    ({"precision": "fp32"}, lambda: in_float.infer(task.image)),
                ]
            )
