"""Run a graph as an engine of a backend would, at once: no option is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgeseg.engines.building.builders import write_files_of
from edgeseg.engines.facts import CPU
from edgeseg.engines.job import BuildJob, OpenEngine
from edgeseg.engines.request import Request
from edgeseg.errors import MissingExtraError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import Run
from edgeseg.spec import ModelSpec

_NAME = "the candidate"


def can_try(request: Request) -> bool:
    """Whether `trial` runs what is asked for: on the processor, where an engine is made in no time."""
    return request.device in (None, CPU) and all(write_files_of(name) for name in request.backends)


@contextmanager
def trial(model: ir.Model, spec: ModelSpec, request: Request, open_engine: OpenEngine) -> Iterator[list[Run]]:
    """Open a graph in each backend that the request may end in: `auto` in any that is installed.

    Raises:
        EngineError: if a library refuses the graph.
        MissingExtraError: if none of the libraries is installed.
    """
    with ExitStack() as opened:
        root = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="edgeseg-")))
        candidate = PortableModel.of(model, _NAME)
        taken = spec.input
        blank = np.zeros((taken.batch, taken.height, taken.width, taken.channels), taken.dtype)
        runs: list[Run] = []
        missing: MissingExtraError | None = None
        for backend in request.backends:
            staging = root / backend
            staging.mkdir()
            own = request.of(backend)
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
