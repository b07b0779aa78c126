"""Turn frames into results in the frame's own pixels: what belongs before and after an engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from edgeseg.errors import UsageError
from edgeseg.frames.geometry import Placement
from edgeseg.frames.preprocess import Prepared, Preprocessor
from edgeseg.frames.results import InstanceResult, SemanticResult
from edgeseg.frames.semantic import semantic_result
from edgeseg.manifest import Manifest
from edgeseg.runtime.crf import instances, refinement
from edgeseg.runtime.crf.instances import InstanceRefinement
from edgeseg.runtime.crf.refinement import Refinement
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.instance import instance_result
from edgeseg.runtime.steps import FinishStage, segment
from edgeseg.runtime.tiles.blend import joined
from edgeseg.runtime.tiles.cut import TileCutter
from edgeseg.runtime.tiles.mosaic import Mosaic
from edgeseg.runtime.tiles.tiling import Tiling
from edgeseg.spec import CRFSpec, ModelSpec


class Segmenter:
    """What one stream has of its own around an engine: thresholds, CRF, input buffers; a context manager.

    `segmenter(frame)` does the steps `preprocess`, `infer` and `finish`, which are also there one by one. It
    is light: make one for each stream, on one engine. Several threads may call the same; each has an input
    buffer of its own for one frame at a time, and gets the results of its own frames. A CRF refines one frame
    after another.

    Args:
        engine: stays open when the segmenter is closed.
        score_threshold: of instances, in place of the spec's and not below it, up to 1.
        confidence: also compute how sure the network is of every pixel; semantic engines with logits only.
        refinement: the CRF that turns logits into labels, or probabilities into masks; None stands for the
            best class of each pixel, or for the pixels above the spec's threshold.
        tiles: how frames larger than the network's input are cut; None stands for resizing them.

    Raises:
        UsageError: if an argument does not fit the engine.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        score_threshold: float | None = None,
        confidence: bool = False,
        refinement: Refinement | InstanceRefinement | None = None,
        tiles: Tiling | None = None,
    ) -> None:
        spec = engine.spec
        _check_arguments(spec, score_threshold, confidence)
        if refinement is not None:
            _check_refined(spec)
            if isinstance(refinement, InstanceRefinement) != (spec.task == "instance"):
                raise UsageError("an InstanceRefinement is for instances, a Refinement for semantic labels")
        self._engine = engine
        self._owns_engine = False
        self._thresholds = spec.thresholds
        if score_threshold is not None:
            self._thresholds = dataclasses.replace(spec.thresholds, score=score_threshold)
        self._confidence = confidence
        self._refinement = refinement
        self._prepare = Preprocessor(spec.input) if tiles is None else TileCutter(spec, tiles)

    @classmethod
    def open(
        cls,
        engine: str | PathLike[str],
        *,
        device: str | None = None,
        threads: int | None = None,
        score_threshold: float | None = None,
        confidence: bool = False,
        crf: CRFSpec | bool = False,
        crf_threads: int = 1,
        crf_budget_ms: float | None = None,
        tiles: Tiling | None = None,
    ) -> Segmenter:
        """Open the engine in a folder that `edgeseg build` made, for this segmenter alone, which closes it.

        Args:
            device: where to run, such as `cpu` or `cuda`; None stands for where it was built for.
            threads: CPU threads per inference; None stands for the number measured when it was built.
            score_threshold: of instances, in place of the spec's and not below it: the graph has dropped what
                scored less.
            confidence: also compute how sure the network is of every pixel; takes an engine with logits.
            crf: refine labels, or masks within their boxes, by a fully connected CRF; True stands for the
                engine's own parameters, which `edgeseg fit-crf` finds for labels, or else the defaults of
                the task. Takes an engine with logits or instances.
            crf_threads: of the CRF.
            crf_budget_ms: keep the CRF within this time a frame, by doing less; see `Refinement` and
                `InstanceRefinement`.
            tiles: how frames larger than the network's input are cut; None stands for resizing them.

        Raises:
            EngineError: if there is no engine, a file was changed, or it does not fit this machine.
            MissingExtraError: if the backend's library is not installed.
            UsageError: if an argument does not fit the engine.
        """
        opened = Engine.open(engine, device=device, threads=threads)
        try:
            refinement = None
            if crf is not False:
                parameters = opened.spec.crf if crf is True else crf
                refinement = refinement_of(
                    opened.spec, parameters, threads=crf_threads, budget_ms=crf_budget_ms
                )
            segmenter = cls(
                opened,
                score_threshold=score_threshold,
                confidence=confidence,
                refinement=refinement,
                tiles=tiles,
            )
        except BaseException:
            opened.close()
            raise
        segmenter._owns_engine = True
        return segmenter

    @property
    def engine(self) -> Engine:
        """The engine that it runs."""
        return self._engine

    @property
    def spec(self) -> ModelSpec:
        """What the network is: task, classes, palette, input, thresholds."""
        return self._engine.spec

    @property
    def manifest(self) -> Manifest:
        """What the engine is: backend, precision, device, files."""
        return self._engine.manifest

    @property
    def refinement(self) -> Refinement | InstanceRefinement | None:
        """Its CRF, if it has one."""
        return self._refinement

    @property
    def finish_stage(self) -> FinishStage:
        """The stage that `finish` is: `crf` where a CRF makes the labels or masks, else `postprocess`."""
        return "postprocess" if self._refinement is None else "crf"

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that was done otherwise than a user might expect."""
        return self._prepare.notes if isinstance(self._prepare, TileCutter) else ()

    def __call__(self, frame: NDArray[Any]) -> SemanticResult | InstanceResult:
        """Segment one frame of any size: (H, W, 3) uint8 BGR, or of the channels and type of `spec.input`.

        Raises:
            ShapeError: if the frame has another shape or dtype.
            EngineError: if the engine fails, is closed, or was opened before this process was forked.
        """
        return segment(self, frame)

    def preprocess(self, frame: NDArray[Any]) -> Prepared:
        """Bring a frame into the network's input, or its tiles; valid until this thread prepares the next."""
        return self._prepare(frame)

    def infer(self, prepared: Prepared) -> dict[str, NDArray[Any]]:
        """Run the network; returns its outputs for the frame by name, which the next does not change."""
        return self._engine.infer(prepared.image)

    def finish(
        self, outputs: Mapping[str, NDArray[Any]], placement: Placement, frame: NDArray[Any]
    ) -> SemanticResult | InstanceResult:
        """Bring the outputs back to the frame, along the frame's edges where there is a CRF.

        Args:
            outputs: of this frame, or its K tiles, (K, ...) each, as `infer` returns them.
            placement: where the frame lies in the network's input, as `preprocess` returned it.
            frame: as it was prepared.
        """
        if isinstance(placement, Mosaic) and self.spec.task == "semantic":
            outputs = joined(outputs, placement)
        if isinstance(self._refinement, InstanceRefinement):
            return self._refinement(outputs, placement, frame, self._thresholds)
        if self._refinement is not None:
            return self._refinement(outputs["logits"][0], placement, frame, confidence=self._confidence)
        if self.spec.task == "instance":
            return instance_result(outputs, placement, self._thresholds)
        return semantic_result(outputs, placement, head=self.spec.head, confidence=self._confidence)

    def close(self) -> None:
        """Close the engine if `open` opened it for this segmenter; closing twice is allowed."""
        if self._owns_engine:
            self._engine.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def refinement_of(
    spec: ModelSpec, parameters: CRFSpec | None, *, threads: int = 1, budget_ms: float | None = None
) -> Refinement | InstanceRefinement:
    """Make the CRF for what an engine gives.

    Args:
        parameters: None stands for the defaults of the task.
        threads, budget_ms: as for `Refinement` and `InstanceRefinement`.

    Raises:
        UsageError: if there is nothing to refine.
    """
    _check_refined(spec)
    if spec.task == "instance":
        return InstanceRefinement(parameters or instances.DEFAULT, threads=threads, budget_ms=budget_ms)
    return Refinement(parameters or refinement.DEFAULT, threads=threads, budget_ms=budget_ms)


def _check_refined(spec: ModelSpec) -> None:
    if not spec.input.takes_camera_frames:
        raise UsageError(
            "a CRF looks at the colours of a camera's frame, 3 channels of uint8, this engine takes "
            f"{spec.input.channels} of {spec.input.dtype}; run without it"
        )
    if spec.task == "instance":
        return
    if spec.graph.crf_stride is not None:
        raise UsageError(
            "the graph has refined its output by a CRF already; run without --crf, or export without it"
        )
    if spec.head.kind == "multilabel":
        raise UsageError(
            "a CRF weighs one class against the others, this engine's classes may overlap; run without it"
        )
    _check_logits(spec, "a CRF")


def _check_arguments(spec: ModelSpec, score_threshold: float | None, confidence: bool) -> None:
    if score_threshold is not None and spec.task != "instance":
        raise UsageError("a score threshold is for instances; this engine labels pixels")
    if score_threshold is not None and not 0 <= score_threshold <= 1:
        raise UsageError(f"a score threshold must be 0 to 1, got {score_threshold}")
    if score_threshold is not None and score_threshold < spec.thresholds.score:
        raise UsageError(
            f"the graph keeps only what scores {spec.thresholds.score:g} or more, so {score_threshold:g} "
            "would find nothing else; export the model with a lower --score-threshold"
        )
    if confidence:
        _check_logits(spec, "confidence")


def _check_logits(spec: ModelSpec, what: str) -> None:
    """Refuse what only logits can give; say how to get them, if they can be got."""
    if spec.output_kind == "logits":
        return
    fix = "export the model with --output-kind logits"
    if spec.head.kind == "labels":
        fix = "its network decides by itself, and has none to give"
    raise UsageError(f"{what} needs the network's logits, this engine gives {spec.output_kind}; {fix}")
