"""Prove a detector's engine by its intermediate values, in the backend itself.

An engine tells its detections alone. Where those prove nothing, since decisions tie or nothing is found, the
same backend builds the same graph once more with the intermediate values as outputs. That engine is compared
with the portable model in ONNX Runtime, which is compared with PyTorch, and is thrown away afterwards.
"""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.building.builders import fill_engine
from edgeseg.engines.job import BuildJob, OpenEngine
from edgeseg.engines.request import Request
from edgeseg.graph.golden.golden import Golden
from edgeseg.graph.passes.intermediates import ExposeIntermediates
from edgeseg.graph.passes.sequence import changed
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import Run, open_run
from edgeseg.graph.view import name_of
from edgeseg.manifest import Manifest
from edgeseg.proof.intermediates import IntermediatesGate, IntermediatesProof, portable_reference
from edgeseg.proof.tolerances import Tolerances
from edgeseg.proof.verify import intermediates_prover

ONE_THREAD = 1  # spares measuring thread counts


@dataclass(frozen=True)
class ProbedEngine:
    """What it takes to build an engine that exposes its intermediate values.

    Attributes:
        source: the portable model that it is held against.
        converted: the model in the engine's precision.
        manifest: of the engine.
        request: that it was built by.
        open_engine: None where the device is not there: the graph runs in ONNX Runtime then.
        golden: of the portable model, with the rules by which it decides.
        images: (M, H, W, C) to prove on.
    """

    source: PortableModel
    converted: PortableModel
    manifest: Manifest
    request: Request
    open_engine: OpenEngine | None
    golden: Golden
    images: NDArray[Any]
    tolerances: Tolerances

    def prove(self, any_score: bool) -> IntermediatesProof:
        """Prove the portable model's intermediate values by PyTorch's, then the engine's by the model's.

        Args:
            any_score: lower the score threshold to 0.
        """
        proof = intermediates_prover(self.source)(any_score)
        return proof if proof.failures else proof.followed_by(self._prove_engine(any_score))

    def _prove_engine(self, any_score: bool) -> IntermediatesProof:
        graph = changed(self.converted.model, ExposeIntermediates(any_score=any_score)).model
        model = PortableModel.of(graph, self.converted.name)
        names = [name_of(output) for output in graph.graph.outputs]
        del graph
        model.release()
        self.converted.release()
        assert self.golden.rules is not None
        rules = self.golden.rules.of_any_score() if any_score else self.golden.rules
        batch = self.manifest.spec.input.batch

        def proof_of(run: Run) -> IntermediatesProof:
            reference = portable_reference(self.source.model)
            return IntermediatesGate(rules, batch, self.tolerances).prove(run, reference, self.images)

        if self.open_engine is None:
            return proof_of(open_run(model.to_bytes()))
        with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
            staging = Path(folder) / "engine"
            staging.mkdir()
            request = dataclasses.replace(
                self.request.of(self.manifest.backend), device=self.manifest.device, threads=ONE_THREAD
            )
            image = np.resize(self.images, (batch, *self.images.shape[1:]))
            sha256, spec = self.manifest.model_sha256, self.manifest.spec
            passes = self.manifest.passes
            job = BuildJob(staging, model, sha256, spec, request, image, self.open_engine, passes=passes)
            manifest, _ = fill_engine(job)
            with closing(self.open_engine(staging, manifest)) as engine:
                return proof_of(lambda images: _named(engine.infer(images), names))


def _named(outputs: dict[str, NDArray[Any]], names: list[str]) -> dict[str, NDArray[Any]]:
    """Name outputs as the graph does: a library may know a tensor by another name, but keeps their order."""
    return outputs if set(outputs) == set(names) else dict(zip(names, outputs.values(), strict=True))
