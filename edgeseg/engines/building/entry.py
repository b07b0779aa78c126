"""Turn a portable model, or a package, into an engine, and both of them into a verdict: what users import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.building.build import Built, build_engine
from edgeseg.engines.building.package import to_build
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.packed import PackedRequest
from edgeseg.errors import UsageError
from edgeseg.graph.precision.convert import Calibration
from edgeseg.proof.report import ParityReport
from edgeseg.proof.verify import verify_model
from edgeseg.spec import Precision


def build(
    model: str | Path,
    folder: str | Path,
    *,
    backend: str | None = None,
    precision: Precision | None = None,
    device: str | None = None,
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
    calibration: Calibration | None = None,
    images: NDArray[Any] | None = None,
    measure_again: bool = False,
    passes: bool = True,
    on_step: Callable[[str], None] = lambda step: None,
) -> Built:
    """Build an engine for this machine, as `edgeseg build` does: it is proven to compute the same.

    What is None is as a package asks for it, else the default.

    Args:
        model: a portable model (`.onnx`), or a package of one (`.edgeseg`).
        folder: where the engine goes; written as a whole, after the proof.
        backend: `onnxruntime` by default; `auto` takes the fastest on this processor.
        precision: `fp32` by default; int8 needs a calibration.
        device: a word of the backend's, its first by default.
        threads: CPU threads per inference; measured by default.
        options: further ones of the backend, by the names of its `BuildOptions`.
        calibration: images that int8 is chosen on, and fp16 measured on; see `Calibration`.
        images: (M, H, W, C) of the model's size, to prove and measure on besides generated ones;
            by default the first ones of the calibration.
        measure_again: measure anew what earlier builds measured on this machine.
        passes: let an fp32 engine's graph be changed where that makes it faster on this machine, at the same
            result.
        on_step: told what happens next, for a progress display.

    Raises:
        EngineError: if the engine cannot be built, opened or written, or loses more than it may.
        ExportError: if `model` is neither a portable model nor a package.
        MissingExtraError: if the backend's library is not installed.
        ParityError: if the engine does not compute what PyTorch computed.
        ShapeError: if images are of another shape or type.
        UsageError: if no backend can do what is asked.

    Examples:
        >>> from edgeseg.engines import build
        >>> built = build("model.onnx", "engine", backend="onnxruntime", threads=1)
        >>> built.manifest.backend, built.manifest.precision
        ('onnxruntime', 'fp32')
        >>> built.parity.passed
        True
    """
    asked = PackedRequest(backend, precision, device, dict(options or {}))
    with to_build(Path(model), asked, threads) as wanted:
        return build_engine(
            wanted.model,
            Path(folder),
            request=wanted.request,
            images=images,
            calibration=calibration or wanted.choice,
            measure_again=measure_again,
            passes=passes,
            on_step=on_step,
        )


def verify(
    artifact: str | Path,
    *,
    reference: str | Path | None = None,
    images: NDArray[Any] | None = None,
) -> ParityReport:
    """Prove an engine or a portable model again, as `edgeseg verify` does, without torch.

    Args:
        artifact: an engine's folder, or a portable model.
        reference: the portable model that an engine was built from, to be run beside it.
        images: (M, H, W, C) of its size, to compare engine and reference on; by default
            generated ones.

    Returns:
        The verdict with its figures; `report.raise_if_failed(name)` raises ParityError where it is a bad one.

    Raises:
        EngineError: if the engine was changed, or does not open.
        ExportError: if the portable model cannot be read.
        ShapeError: if images are of another shape or type.
        UsageError: if `reference` is not the model that the engine was built from, or not for this artifact.

    Examples:
        >>> from edgeseg.engines import verify
        >>> report = verify("engine", reference="model.onnx")
        >>> report.passed, report.task
        (True, 'semantic')
        >>> verify("model.onnx").passed
        True
    """
    artifact = Path(artifact)
    if artifact.is_dir():
        if images is not None and reference is None:
            raise UsageError("images need a reference, the portable model that they are compared with")
        beside = None if reference is None else Path(reference)
        return verify_engine(artifact, reference=beside, images=images)
    if reference is not None or images is not None:
        raise UsageError("a reference and images are for engines; an .onnx is proven by what it carries")
    return verify_model(artifact)
