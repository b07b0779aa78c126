"""Open an engine's folder by the backend that it is for; all backends have the same small shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from numpy.typing import NDArray

from edgeseg.engines import registry
from edgeseg.errors import EngineError, SpecError, shown
from edgeseg.frames.results import FrameResult
from edgeseg.manifest import BUILD_AGAIN, MANIFEST_NAME, Manifest
from edgeseg.records import from_json_value, to_json_value

Options = TypeVar("Options")


class Tensor(NamedTuple):
    """What a graph says of an input or output; None in `shape` is a size that depends on the data."""

    dtype: str
    shape: tuple[int | None, ...]


class Backend(Protocol):
    """An opened engine."""

    @property
    def built_on(self) -> Mapping[str, str]:
        """What an engine that is opened here must have been built on; see `Manifest`."""
        ...

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        """The graph's inputs by name."""
        ...

    @property
    def outputs(self) -> Mapping[str, Tensor]:
        """The graph's outputs by name."""
        ...

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, C) and return the outputs by name.

        `image` is read during the call only. The outputs belong to the caller: the next call does not change
        them. Several threads may call at once; each gets the outputs of its own images.

        Raises:
            EngineError: if the engine fails, is closed, also while the call waits, or was opened in the
                process that this one was forked from.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds, after inferences that run; closing twice is allowed.

        In a forked child nothing is freed: what the engine holds is its parent's.
        """
        ...


@runtime_checkable
class FindsInFrames(Protocol):
    """An opened engine that has code of its own for the way from a frame to its result; it is proven, too."""

    def find(self, frame: NDArray[Any], /) -> FrameResult:
        """Take a frame (H, W, C) of any size the whole way. Raises as `Backend.infer`."""
        ...


def own_way_of(engine: Backend) -> Callable[[NDArray[Any]], FrameResult] | None:
    """Give an engine's own way from a frame to its result; None where that is the runtime's."""
    return engine.find if isinstance(engine, FindsInFrames) else None


def open_backend(
    folder: Path, manifest: Manifest, *, device: str | None = None, threads: int | None = None
) -> Backend:
    """Open the engine in `folder` with the backend that its manifest names.

    Args:
        device: where to run, if not where the manifest says: a word of the backend's, such as `cpu`.
        threads: CPU threads per inference, if not as many as the manifest says.

    Raises:
        EngineError: if the backend is unknown, refuses the engine, lacks the device, or the engine was built
            on another machine or library.
        MissingExtraError: if the backend's library is not installed.
    """
    known = registry.backends()
    if manifest.backend not in known:
        raise EngineError(
            f"{folder} was built for the backend {shown(manifest.backend)}, this edgeseg runs "
            f"{', '.join(known)}; build the engine for one of these"
        )
    opened: Backend = registry.part_of(manifest.backend, "open").open(
        folder, manifest, device=device, threads=threads
    )
    return opened


def read_options(kind: type[Options], folder: Path, manifest: Manifest) -> Options:
    """Read the manifest's options as a backend's dataclass, whose fields say what they may be.

    Raises:
        EngineError: naming the option that is unknown, of another type or out of its range.
    """
    try:
        return from_json_value(kind, manifest.options, where="options")
    except SpecError as error:
        raise EngineError(f"{folder / MANIFEST_NAME} is not a manifest: {error}; {BUILD_AGAIN}") from error


def written(kind: type[Any], **options: Any) -> dict[str, Any]:
    """Give some of a backend's `EngineOptions`, of that `kind`, as a manifest holds them.

    Raises:
        SpecError: if there is no such option, or it cannot have that value.
    """
    value: dict[str, Any] = to_json_value(options)
    from_json_value(kind, value)
    return value


def remarks_on(folder: Path, manifest: Manifest) -> list[str]:
    """Say what a person should know of a finished engine, if its backend has something to say.

    Raises:
        EngineError: as `read_options`.
    """
    kind = registry.part_of(manifest.backend, "options").EngineOptions
    remarks: Callable[[str], list[str]] | None = getattr(kind, "remarks", None)
    return [] if remarks is None else read_options(kind, folder, manifest).remarks(manifest.device)


def next_command(folder: Path, manifest: Manifest) -> str:
    """Give what a person does next with a finished engine. Raises as `read_options`."""
    kind = registry.part_of(manifest.backend, "options").EngineOptions
    if hasattr(kind, "next_command"):
        command: str = read_options(kind, folder, manifest).next_command(folder)
        return command
    result = "result.mp4" if manifest.spec.input.takes_camera_frames else "labels/"
    return f"edgeseg run {folder} SOURCE -o {result}"


def refuse_if_moved(folder: Path, manifest: Manifest, here: Mapping[str, str]) -> None:
    """Raise EngineError, with the command that fixes it, if the engine was built on something else.

    Args:
        here: what this machine offers, by the keys of `Manifest.built_on`; an engine under construction has
            none yet.
    """
    for key, was in manifest.built_on.items():
        if (found := here.get(key, "none")) != was:
            raise EngineError(
                f"{folder} was built for {key} {was}, here is {found}; build it again: "
                f"edgeseg build MODEL.onnx --backend {manifest.backend} --precision {manifest.precision} "
                f"--device {manifest.device} -o {folder}"
            )
