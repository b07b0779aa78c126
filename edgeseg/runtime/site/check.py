"""Find everything that keeps a site from running as it is asked to, without starting it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from edgeseg.cores import usable_cores
from edgeseg.engines.registry import backends, facts_of
from edgeseg.errors import EdgesegError, MissingExtraError
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.runtime.events.measure import Measure
from edgeseg.runtime.fake import FakeBackend
from edgeseg.runtime.filters import make_filters
from edgeseg.runtime.profiling.memory import OPTION, parse_memory
from edgeseg.runtime.serve.guard import check_host
from edgeseg.runtime.serve.live import check_shown
from edgeseg.runtime.serve.server import read_token
from edgeseg.runtime.settings import ServeSettings, SiteSettings, StreamSettings
from edgeseg.runtime.site.environment import Environment
from edgeseg.runtime.site.faults import Fault, KeyPath
from edgeseg.runtime.site.names import bad_names
from edgeseg.runtime.site.parts import amount, segmenter_of
from edgeseg.runtime.site.places import Places
from edgeseg.runtime.site.ranges import out_of_range
from edgeseg.spec import ModelSpec

OF_SEGMENTERS = ("score_threshold", "crf", "tiles")  # settings that an engine may refuse, each for itself
SERVE_MODULES = ("starlette", "uvicorn", "prometheus_client")
OF_FILTERS = ("classes", "region", "smooth", "track")


def check(
    settings: SiteSettings,
    environment: Environment,
    *,
    files: bool = True,
    frames: int | None = None,
    here: bool = True,
) -> list[Fault]:
    """Look at ranges, names, the engine, what streams ask of it, sources, outputs and extras.

    No camera, broker or device is touched, and nothing is written.

    Args:
        files: compare those of the engine with their hashes, read the token, and find out whether outputs can
            be written; all that is done when they are opened, too.
        frames: each stream stops after so many results; None for never.
        here: it is to run on this machine: its cores, and what is installed for the engine, count.
    """
    checked = _Check(settings, environment, here=here)
    spec = checked.engine(files=files)
    checked.amounts()
    if settings.serve is not None:
        checked.needs(SERVE_MODULES, "serve", "serve")
        checked.hosts(settings.serve.hosts)
        if files:
            checked.token(settings.serve)
        if spec is not None:
            checked.page(spec)
    if not settings.streams:
        checked.faults.append(Fault(("streams",), "must be given, at least one: [[streams]]"))
    for index, stream in enumerate(settings.streams):
        checked.sizes(stream, ("streams", index))
        if spec is not None:
            checked.stream(stream, ("streams", index), spec)
    taken = None if spec is None else spec.input
    places = Places(settings, environment, files=files, frames=frames, taken=taken)
    checked.faults.extend(places.faults())
    return checked.faults


class _Check:
    """Collects what goes wrong."""

    def __init__(self, settings: SiteSettings, environment: Environment, *, here: bool) -> None:
        self.faults = [*out_of_range(settings), *bad_names(settings)]
        self._settings = settings
        self._environment = environment
        self._here = here

    def engine(self, *, files: bool) -> ModelSpec | None:
        """Look at the engine; give what its network is, if that can be read."""
        self._at_most_cores(self._settings.threads, "threads")
        manifest: Manifest | None = None
        with self._at("engine"):
            manifest = read_manifest(Path(self._settings.engine), check_files=files)
        if manifest is None:
            return None
        if manifest.backend not in backends():
            known = ", ".join(backends())
            self.faults.append(Fault(("engine",), f"is for {manifest.backend}; this edgeseg runs {known}"))
            return manifest.spec
        facts = facts_of(manifest.backend)
        if self._here:
            self.needs(facts.modules, facts.extra, "engine")
        device = self._settings.device
        if device is not None and device not in facts.devices:
            wanted = " or ".join(facts.devices)
            self.faults.append(
                Fault(("device",), f"must be {wanted}, where {facts.title} runs, got {device!r}")
            )
        return manifest.spec

    def needs(self, modules: tuple[str, ...], extra: str, key: str) -> None:
        """Look for packages that a key takes."""
        for module in modules:
            if find_spec(module) is None:
                with self._at(key):
                    raise MissingExtraError(module, extra)

    def token(self, serve: ServeSettings) -> None:
        """Read the token that the page asks for."""
        with self._at("serve", "token_file"):
            if serve.token_file is not None:
                read_token(Path(self._environment.fill(serve.token_file)))

    def page(self, spec: ModelSpec) -> None:
        """Find out whether a browser can show what the network takes."""
        with self._at("serve"):
            check_shown(spec.input)

    def hosts(self, names: tuple[str, ...]) -> None:
        """Look at the names by which the page is asked for."""
        for index, name in enumerate(names):
            with self._at("serve", "hosts", index):
                check_host(name)

    def amounts(self) -> None:
        """Look at how much is kept of outputs, and how much memory may be taken."""
        for name in ("rotate", "keep"):
            with self._at(name):
                amount(getattr(self._settings, name), name)
        with self._at(OPTION):
            if self._settings.max_memory is not None:
                parse_memory(self._settings.max_memory)

    def sizes(self, stream: StreamSettings, path: KeyPath) -> None:
        """Look at what depends on this machine."""
        self._at_most_cores(stream.crf_threads, *path, "crf_threads")

    def stream(self, stream: StreamSettings, path: KeyPath, spec: ModelSpec) -> None:
        """Try each setting alone on an engine that gives what this one would."""
        plain = StreamSettings(stream.source)
        with FakeBackend(spec).engine() as engine:
            for name in OF_SEGMENTERS:
                with self._at(*path, name):
                    segmenter_of(dataclasses.replace(plain, **{name: getattr(stream, name)}), engine)
        for name in OF_FILTERS:
            with self._at(*path, name):
                make_filters(dataclasses.replace(plain, **{name: getattr(stream, name)}), spec)
        for index, zone in enumerate(stream.zones):
            with self._at(*path, "zones", index):
                Measure(zone, spec)

    def _at_most_cores(self, threads: int | None, *path: str | int) -> None:
        cores = usable_cores()
        if self._here and threads is not None and threads > cores:
            self.faults.append(
                Fault(path, f"must be 1 to {cores}, the cores that may be used, got {threads}")
            )

    @contextmanager
    def _at(self, *path: str | int) -> Iterator[None]:
        """Note what goes wrong in the block as the fault of a key."""
        try:
            yield
        except EdgesegError as error:
            self.faults.append(Fault(path, f"cannot be used: {self._environment.hide(str(error))}"))
