"""Make the engine of a plan, or take it from the folder of work, and say in which ways it may be opened."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.backend import Backend, open_backend
from edgeseg.engines.building.build import PROOF_IMAGES, Built, build_engine
from edgeseg.engines.building.builders import safer_options_of
from edgeseg.engines.registry import versions_of
from edgeseg.engines.request import Request
from edgeseg.errors import EdgesegError, EngineError, ParityError
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.tune.space import Plan
from edgeseg.tune.work import Key, Work

ENGINES, RANGES = "engines", "ranges"  # kinds of what is kept


class NotMadeError(EdgesegError):
    """A plan's engine cannot be made; the text says why."""


@dataclass(frozen=True)
class Made:
    """An engine in the folder of work.

    Attributes:
        options: in which it may be opened, each whole; the first is that of its manifest.
    """

    plan: Plan
    folder: Path
    manifest: Manifest
    options: tuple[Mapping[str, Any], ...]

    @property
    def size_bytes(self) -> int:
        """Of its files together."""
        return sum((self.folder / name).stat().st_size for name in self.manifest.files)

    @property
    def varied(self) -> list[str]:
        """Names of the options in which it may be opened in several ways."""
        own = self.manifest.options
        return [name for name in own if any(way[name] != own[name] for way in self.options)]

    def manifest_with(self, options: Mapping[str, Any]) -> Manifest:
        """Give its manifest with one of its options."""
        return dataclasses.replace(self.manifest, options=options)


@dataclass(frozen=True)
class Maker:
    """Makes engines of one tuning.

    Attributes:
        images: prepared for each model, (M, H, W, C), by its place among them.
        images_sha256: of the files that they were read from.
        max_drop: points that int8 may lose by its own measure, against fp32.
        on_step: told what happens.
        check: called before each engine that is opened on the way, such as candidates of int8. What this or
            `on_step` raises ends the making, and leaves what was measured.
    """

    work: Work
    models: Sequence[PortableModel]
    images: Callable[[int], NDArray[Any]]
    images_sha256: str
    max_drop: float
    threads: int | None
    on_step: Callable[[str], None] = lambda step: None
    check: Callable[[], None] = lambda: None

    def key(self, plan: Plan) -> dict[str, Any]:
        """Say what an engine of a plan depends on."""
        return {
            "model": self.models[plan.model].sha256,
            "backend": plan.backend,
            "versions": list(versions_of(plan.backend)),
            "device": plan.device,
            "precision": plan.precision,
            "passes": plan.passes,
            "threads": self.threads,
            "images": self.images_sha256,
            "max_drop": self.max_drop if plan.precision == "int8" else None,
        }

    def make(self, plan: Plan) -> Made:
        """Make an engine, or take it as it was made before.

        Raises:
            NotMadeError: if it cannot be made; that is kept, too.
            KeyboardInterrupt: if the user interrupts, also where int8 could be built with what is known.
        """
        key = self.key(plan)
        folder = self.work.place(ENGINES, key)
        kept = self.work.recall(ENGINES, key)
        if isinstance(kept, dict) and "refused" in kept:
            raise NotMadeError(str(kept["refused"]))
        if isinstance(kept, dict) and kept.get("options"):
            with suppress(EngineError):  # damaged meanwhile
                return Made(plan, folder, read_manifest(folder, check_files=True), tuple(kept["options"]))
        try:
            built = self._build(plan, folder, key)
        except (EngineError, ParityError) as error:
            self.work.keep(ENGINES, key, {"refused": str(error)})
            raise NotMadeError(str(error)) from error
        if built.precision is not None and built.precision.interrupted:
            shutil.rmtree(folder)
            raise KeyboardInterrupt
        options = ways_to_open(built)
        self.work.keep(ENGINES, key, {"options": [dict(one) for one in options]})
        return Made(plan, folder, built.manifest, options)

    def _open(self, folder: Path, manifest: Manifest) -> Backend:
        self.check()
        return open_backend(folder, manifest)

    def _build(self, plan: Plan, folder: Path, key: Key) -> Built:
        images = self.images(plan.model)
        calibration = None
        if plan.precision != "fp32":
            ranges = self.work.place(RANGES, {name: key[name] for name in ("model", "images")})
            calibration = Calibration(images, cache=ranges, max_drop=self.max_drop)
        return build_engine(
            self.models[plan.model],
            folder,
            open_engine=self._open,
            request=Request(plan.backend, plan.precision, plan.device, self.threads),
            images=images[:PROOF_IMAGES],
            calibration=calibration,
            passes=plan.passes,
            on_step=self.on_step,
        )


def ways_to_open(built: Built) -> tuple[Mapping[str, Any], ...]:
    """List the options in which an engine may be opened: its own, and the others that its build measured.

    Options that it was given to pass its proof are in all of them.
    """
    own = built.manifest.options
    safer = {name for options in safer_options_of(built.manifest.backend) for name in options}
    ways: list[Mapping[str, Any]] = [own]
    for entry in built.measured:
        kept = {name: own[name] for name in safer if name in own}
        way = {**own, **entry.options, **kept}
        if way not in ways:
            ways.append(way)
    return tuple(ways)


@contextmanager
def segmenting(folder: Path, manifest: Manifest) -> Iterator[Segmenter]:
    """Open an engine's files as a manifest says, for frames; they stay as they are."""
    with Engine(manifest, open_backend(folder, manifest)) as engine, Segmenter(engine) as segmenter:
        yield segmenter
