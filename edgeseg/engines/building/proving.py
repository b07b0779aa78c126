"""Prove that an engine under construction computes what it must."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.building.conversion import Converted
from edgeseg.engines.building.probed import ProbedEngine
from edgeseg.engines.job import OpenEngine
from edgeseg.engines.request import Request
from edgeseg.errors import NoDeviceError
from edgeseg.graph.golden.frames import GoldenFrame
from edgeseg.graph.golden.golden import Golden, sample_all
from edgeseg.graph.outputs import instances_of
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.running import Run, open_run, run_all
from edgeseg.manifest import Manifest
from edgeseg.proof.frames import Find, drawing, golden_frames
from edgeseg.proof.intermediates import MAX_INTERMEDIATE_ERROR
from edgeseg.proof.report import ParityReport
from edgeseg.proof.tolerances import Tolerances
from edgeseg.proof.verify import Further, verify
from edgeseg.scenes.inputs import input_images

INTERMEDIATES_IN = ("fp32", "fp16")  # int8 moves numbers as far as a wrong graph does


@dataclass(frozen=True)
class Comparison:
    """What an engine is compared with, and what it takes to build it again as a `ProbedEngine`.

    Attributes:
        source: the portable model.
        converted: it in the engine's precision.
        request: that the engine is built by.
        golden: what the engine must compute of generated pictures.
        further: images to compare on besides, and what it must compute of them.
        tolerances: how far it may be from that.
    """

    source: PortableModel
    converted: PortableModel
    request: Request
    golden: Golden
    further: Further | None
    tolerances: Tolerances

    @property
    def generated(self) -> NDArray[Any]:
        """Draw the golden pictures (M, H, W, C)."""
        spec = self.source.spec
        return input_images(self.golden.seeds, spec.input, spec.graph)

    @property
    def frames(self) -> NDArray[Any]:
        """Give all that is compared on (M, H, W, C): the golden pictures, and further images after them."""
        generated = self.generated
        return generated if self.further is None else np.concatenate([generated, self.further.images])

    @property
    def telling(self) -> NDArray[Any]:
        """Give frames (M, H, W, C) whose inference takes as long as usual: images, if there are any.

        Of a detector they are those in which it finds something, for what follows its proposals takes time
        with each; generated ones, where it finds nothing in the images.
        """
        sides = [(self.generated, self.golden.outputs)]
        if self.further is not None:
            sides.insert(0, (self.further.images, tuple(self.further.outputs)))
        if self.source.spec.task == "instance":
            for frames, outputs in sides:
                finds = [len(instances_of(one).scores) > 0 for one in outputs]
                if any(finds):
                    return frames[np.flatnonzero(finds)]
        return sides[0][0]

    def prove(
        self, run: Run, manifest: Manifest, open_engine: OpenEngine | None, find: Find | None = None
    ) -> ParityReport:
        """Compare what `run` computes: an engine, or its graph where `open_engine` is None.

        Args:
            find: the engine's own way from a frame to its result.
        """
        probed = ProbedEngine(
            source=self.source,
            converted=self.converted,
            manifest=manifest,
            request=self.request,
            open_engine=open_engine,
            golden=self.golden,
            images=self.frames,
            tolerances=self.tolerances,
        )
        return verify(
            run,
            self.source.spec,
            self.golden,
            further=self.further,
            tolerances=self.tolerances,
            prove=probed.prove if self.request.precision in INTERMEDIATES_IN else None,
            find=find,
        )

    def prove_graph(self, manifest: Manifest, missing: NoDeviceError) -> ParityReport:
        """Compare the graph in ONNX Runtime, where the engine's device is missing."""
        report = self.prove(open_run(self.converted.to_bytes()), manifest, None)
        note = f"{missing}; the graph was proven in ONNX Runtime, the engine has not run yet"
        return dataclasses.replace(report, notes=(*report.notes, note))

    def golden_for(self, report: ParityReport, run: Run) -> Golden:
        """Give what the engine is verified by later: its own outputs, where intermediate values proved it."""
        if MAX_INTERMEDIATE_ERROR not in report.figures:
            return self.golden
        found = run_all(run, self.generated, self.source.spec.input.batch)
        return self.source.golden.of_engine(sample_all(found))


def compare_with(
    source: PortableModel,
    converted: Converted,
    request: Request,
    images: NDArray[Any] | None,
    tolerances: Tolerances,
) -> Comparison:
    """Choose what an engine must compute: of the export's pictures, and of images (M, H, W, C) if given.

    That of fp32 and fp16 is what PyTorch computes. That of int8 is what its graph means: a wrong kernel
    shows there, while what int8 costs the task is the user's to allow, and is measured by itself.
    """
    golden, further, batch = source.golden, converted.further, source.spec.input.batch
    if request.precision == "int8":
        exact = open_run(converted.model.to_bytes(), as_written=True)
        frames = input_images(golden.seeds, source.spec.input, source.spec.graph)
        golden = dataclasses.replace(
            golden,
            outputs=sample_all(run_all(exact, frames, batch)),
            frames=_frames_of(exact, source),
        )
        further = None if images is None else Further.computed(exact, images, batch)
    elif further is None and images is not None:
        further = Further.computed(open_run(source.to_bytes()), images, batch)
    return Comparison(source, converted.model, request, golden, further, tolerances)


def _frames_of(exact: Run, source: PortableModel) -> tuple[GoldenFrame, ...]:
    """Compute what an int8 graph means to find in the golden frames, where their objects are compared."""
    frames = source.golden.frames
    if not frames or not all(frame.results for frame in frames):
        return frames
    return golden_frames(exact, source.spec, frames, drawing(source.spec))
