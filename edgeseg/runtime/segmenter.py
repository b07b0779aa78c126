"""Turn an engine's folder into a function from frames to results in the frame's own pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle import Manifest, read_manifest
from edgeseg.cores import usable_cores
from edgeseg.engines.backend import Backend, Tensor, open_backend
from edgeseg.errors import EngineError, UsageError
from edgeseg.runtime.crf import instances, refinement
from edgeseg.runtime.crf.instances import InstanceRefinement
from edgeseg.runtime.crf.refinement import Refinement
from edgeseg.runtime.instance import instance_result
from edgeseg.runtime.preprocess import Prepared, Preprocessor
from edgeseg.runtime.results import InstanceResult, SemanticResult
from edgeseg.runtime.semantic import semantic_result
from edgeseg.spec import CRFSpec, ModelSpec

INPUT_NAME = "image"


class Segmenter:
    """An opened engine with what belongs before and after it; a context manager.

    `segmenter(frame)` does the steps `preprocess`, `infer` and `postprocess`, or `refine` in place of the
    last, which are also there one by one. Several threads may call; each has an input buffer of its own for
    one frame at a time, and gets the results of its own frames. A CRF refines one frame after another. A
    forked child cannot use its parent's segmenter, and frees nothing of it.

    Args:
        manifest: says what the engine is.
        backend: the opened engine, closed with the segmenter.
        score_threshold: of instances, in place of the spec's and not below it, up to 1.
        confidence: also compute how sure the network is of every pixel; semantic engines with logits only.
        refinement: the CRF that turns logits into labels, or probabilities into masks; None stands for the
            best class of each pixel, or for the pixels above the spec's threshold.

    Raises:
        EngineError: if the graph is not what the manifest says, or takes batches.
        UsageError: if an argument does not fit the engine.
    """

    def __init__(
        self,
        manifest: Manifest,
        backend: Backend,
        *,
        score_threshold: float | None = None,
        confidence: bool = False,
        refinement: Refinement | InstanceRefinement | None = None,
    ) -> None:
        spec = manifest.spec
        _check_graph(spec, backend)
        _check_arguments(spec, score_threshold, confidence)
        if refinement is not None:
            _check_refined(spec)
            if isinstance(refinement, InstanceRefinement) != (spec.task == "instance"):
                raise UsageError("an InstanceRefinement is for instances, a Refinement for semantic labels")
        self._manifest = manifest
        self._backend = backend
        self._thresholds = spec.thresholds
        if score_threshold is not None:
            self._thresholds = dataclasses.replace(spec.thresholds, score=score_threshold)
        self._confidence = confidence
        self._refinement = refinement
        self._prepare = Preprocessor(spec.input)

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
    ) -> Segmenter:
        """Open the engine in a folder that `edgeseg build` made; every file is compared with its hash.

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

        Raises:
            EngineError: if there is no engine, a file was changed, or it does not fit this machine.
            MissingExtraError: if the backend's library is not installed.
            UsageError: if an argument does not fit the engine.
        """
        folder = Path(engine)
        if folder.suffix == ".onnx":
            raise EngineError(
                f"{folder} is a portable model, not an engine; make one: "
                f"edgeseg build {folder} --backend onnxruntime --precision fp32 -o {folder.with_suffix('')}"
            )
        cores = usable_cores()
        if threads is not None and not 1 <= threads <= cores:
            raise UsageError(f"threads must be 1 to {cores}, the cores that may be used here, got {threads}")
        manifest = read_manifest(folder, check_files=True)
        backend = open_backend(folder, manifest, device=device, threads=threads)
        try:
            refinement = None
            if crf is not False:
                _check_refined(manifest.spec)
                parameters = manifest.spec.crf if crf is True else crf
                refinement = _refinement(manifest.spec, parameters, crf_threads, crf_budget_ms)
            return cls(
                manifest,
                backend,
                score_threshold=score_threshold,
                confidence=confidence,
                refinement=refinement,
            )
        except BaseException:
            backend.close()
            raise

    @property
    def spec(self) -> ModelSpec:
        """What the network is: task, classes, palette, input, thresholds."""
        return self._manifest.spec

    @property
    def manifest(self) -> Manifest:
        """What the engine is: backend, precision, device, files."""
        return self._manifest

    def __call__(self, frame: NDArray[np.uint8]) -> SemanticResult | InstanceResult:
        """Segment one frame (H, W, 3) uint8 BGR of any size.

        Raises:
            ShapeError: if the frame has another shape or dtype.
            EngineError: if the engine fails, is closed, or was opened before this process was forked.
        """
        prepared = self.preprocess(frame)
        outputs = self.infer(prepared)
        return self.refine(outputs, prepared, frame) if self.refines else self.postprocess(outputs, prepared)

    @property
    def refines(self) -> bool:
        """Whether a CRF makes the labels or masks."""
        return self._refinement is not None

    def preprocess(self, frame: NDArray[np.uint8]) -> Prepared:
        """Bring a frame into the network's input; the image is valid until this thread prepares the next."""
        return self._prepare(frame)

    def infer(self, prepared: Prepared) -> dict[str, NDArray[Any]]:
        """Run the network; returns its outputs by name, which the next frame does not change."""
        return self._backend.infer(prepared.image)

    def postprocess(
        self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared
    ) -> SemanticResult | InstanceResult:
        """Bring the outputs back to the frame; of `prepared` only the placement is used."""
        if self.spec.task == "instance":
            return instance_result(outputs, prepared.placement, self._thresholds)
        head = self.spec.head
        return semantic_result(outputs, prepared.placement, head=head, confidence=self._confidence)

    def refine(
        self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, frame: NDArray[np.uint8]
    ) -> SemanticResult | InstanceResult:
        """Bring the outputs back to the frame along its edges, by the CRF that the segmenter was opened with.

        Raises:
            UsageError: if it was opened without one.
        """
        if self._refinement is None:
            raise UsageError("the segmenter was opened without a CRF; open it with crf=True")
        if isinstance(self._refinement, InstanceRefinement):
            return self._refinement(outputs, prepared.placement, frame, self._thresholds)
        return self._refinement(outputs["logits"][0], prepared.placement, frame, confidence=self._confidence)

    def close(self) -> None:
        """Free the engine once nobody runs it; closing twice is allowed."""
        self._backend.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _refinement(
    spec: ModelSpec, parameters: CRFSpec | None, threads: int, budget_ms: float | None
) -> Refinement | InstanceRefinement:
    """Make the CRF for a task, with its defaults where there are no parameters."""
    if spec.task == "instance":
        return InstanceRefinement(parameters or instances.DEFAULT, threads=threads, budget_ms=budget_ms)
    return Refinement(parameters or refinement.DEFAULT, threads=threads, budget_ms=budget_ms)


def _check_graph(spec: ModelSpec, backend: Backend) -> None:
    """Compare what the graph takes and gives with what the spec says of it."""
    if spec.input.batch > 1:
        raise EngineError(
            f"this engine takes {spec.input.batch} images at once, a Segmenter one frame at a time; "
            "export the model with --batch 1"
        )
    image = Tensor("uint8", (spec.input.batch, spec.input.height, spec.input.width, 3))
    _check_tensors("input", {INPUT_NAME: image}, backend.inputs)
    outputs = {output.name: Tensor(output.dtype, output.shape) for output in spec.outputs}
    _check_tensors("output", outputs, backend.outputs)
    if spec.output_kind == "logits" and outputs["logits"].shape[1] != len(spec.class_names):
        raise EngineError(
            f"the spec has {len(spec.class_names)} classes, its logits are {outputs['logits'].shape}; "
            "export the model again"
        )


def _check_tensors(role: str, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    if set(wanted) != set(found):
        raise EngineError(
            f"the graph's {role}s are {', '.join(sorted(found))}, its spec says "
            f"{', '.join(sorted(wanted))}; export the model again"
        )
    for name, tensor in wanted.items():
        if tensor.dtype != found[name].dtype or not _same_shape(tensor.shape, found[name].shape):
            raise EngineError(
                f"the graph's {role} {name} is {found[name].dtype} {found[name].shape}, its spec says "
                f"{tensor.dtype} {tensor.shape}; export the model again"
            )


def _same_shape(one: tuple[int | None, ...], other: tuple[int | None, ...]) -> bool:
    """Compare shapes; a size that depends on the data fits any."""
    return len(one) == len(other) and all(a == b or None in (a, b) for a, b in zip(one, other, strict=True))


def _check_refined(spec: ModelSpec) -> None:
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
    mend = "export the model with --output-kind logits"
    if spec.head.kind == "labels":
        mend = "its network decides by itself, and has none to give"
    raise UsageError(f"{what} needs the network's logits, this engine gives {spec.output_kind}; {mend}")
