"""Open an engine, or a portable model in ONNX Runtime, for frames: both through the runtime's Segmenter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.backend import Tensor
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import REFERENCE, Run, open_run, reference_library
from edgeseg.manifest import Manifest
from edgeseg.runtime.engine import INPUT_NAME, Engine
from edgeseg.runtime.segmenter import Segmenter, refinement_of
from edgeseg.runtime.tiles.tiling import Tiling
from edgeseg.spec import ModelSpec

MODEL_SUFFIX = ".onnx"


@contextmanager
def open_segmenter(
    path: Path,
    *,
    device: str | None = None,
    threads: int | None = None,
    crf: bool = False,
    tiles: Tiling | None = None,
) -> Iterator[Segmenter]:
    """Open an engine's folder, or a portable model, which runs in ONNX Runtime on the processor in fp32.

    Args:
        device: of engines, as for `Engine.open`.
        threads: likewise.
        crf: refine by a CRF of the spec's parameters, or else the defaults of the task.
        tiles: how frames larger than the network's input are cut; None stands for resizing them.

    Raises:
        EngineError, ExportError: if it cannot be opened.
        UsageError: if an argument does not fit the engine.
    """
    is_model = path.suffix == MODEL_SUFFIX and not path.is_dir()
    engine = _model_engine(path) if is_model else Engine.open(path, device=device, threads=threads)
    with engine:
        refinement = refinement_of(engine.spec, engine.spec.crf) if crf else None
        with Segmenter(engine, refinement=refinement, tiles=tiles) as segmenter:
            yield segmenter


class _ModelBackend:
    """A portable model as a backend: `Backend` says what each member promises."""

    def __init__(self, run: Run, spec: ModelSpec) -> None:
        taken = spec.input
        image = Tensor(taken.dtype, (taken.batch, taken.height, taken.width, taken.channels))
        self.built_on: Mapping[str, str] = {}
        self.inputs: Mapping[str, Tensor] = {INPUT_NAME: image}
        self.outputs: Mapping[str, Tensor] = {
            output.name: Tensor(output.dtype, output.shape) for output in spec.outputs
        }
        self._run = run

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch."""
        return dict(self._run(image))

    def close(self) -> None:
        """Leave the session to whoever else holds it."""


def _model_engine(path: Path) -> Engine:
    model = PortableModel.read(path)
    spec, sha256 = model.spec, model.sha256
    model.release()
    version = str(reference_library().__version__)
    manifest = Manifest(REFERENCE, version, "fp32", "cpu", spec, model_sha256=sha256, files={})
    return Engine(manifest, _ModelBackend(open_run(model.to_bytes()), spec))
