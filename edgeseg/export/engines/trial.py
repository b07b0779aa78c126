"""Turn a graph into what runs it as an engine of a backend would, at once: no option is measured."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import onnx

from edgeseg.engines.builders import CPU_BACKENDS, write_files_of
from edgeseg.engines.job import BuildJob, OpenEngine, Request
from edgeseg.errors import MissingExtraError
from edgeseg.export.parity import Run
from edgeseg.graph.portable import PortableModel
from edgeseg.spec import ModelSpec

_NAME = "the candidate"


def can_try(request: Request) -> bool:
    """Whether `trial` runs what is asked for: on the processor, where an engine is made in no time."""
    return request.device in (None, "cpu") and all(write_files_of(name) for name in _backends(request))


@contextmanager
def trial(
    model: onnx.ModelProto, spec: ModelSpec, request: Request, open_engine: OpenEngine
) -> Iterator[list[Run]]:
    """Open a graph in each backend that the request may end in: `auto` in any that is installed.

    Raises:
        EngineError: if a library refuses the graph.
        MissingExtraError: if none of the libraries is installed.
    """
    with ExitStack() as opened:
        root = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="edgeseg-")))
        candidate = PortableModel.of(model, _NAME)
        blank = np.zeros((spec.input.batch, spec.input.height, spec.input.width, 3), np.uint8)
        runs: list[Run] = []
        missing: MissingExtraError | None = None
        for backend in _backends(request):
            staging = root / backend
            staging.mkdir()
            own = dataclasses.replace(request, backend=backend)
            write = write_files_of(backend)
            assert write is not None
            try:
                manifest = write(BuildJob(staging, candidate, "", spec, own, blank, open_engine))
            except MissingExtraError as error:
                missing = error
            else:
                runs.append(opened.enter_context(closing(open_engine(staging, manifest))).infer)
        if missing is not None and not runs:
            raise missing
        yield runs


def _backends(request: Request) -> tuple[str, ...]:
    return CPU_BACKENDS if request.backend == "auto" else (request.backend,)
