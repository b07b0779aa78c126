"""Look at the sources and outputs of a site without opening a camera or writing anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgeseg.errors import EdgesegError, UsageError
from edgeseg.runtime.events.outputs import check_place
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.settings import SiteSettings, StreamSettings
from edgeseg.runtime.sinks import check_outputs
from edgeseg.runtime.site.environment import Environment
from edgeseg.runtime.site.faults import Fault, KeyPath, named
from edgeseg.runtime.sources import DEVICE_FOLDER, open_source
from edgeseg.runtime.sources.address import GSTREAMER_PREFIX
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.network import URL, Address
from edgeseg.runtime.sources.options import split_options


class Places:
    """All places of a site: those that streams read and write, each of which only one may write."""

    def __init__(self, settings: SiteSettings, environment: Environment) -> None:
        self._settings = settings
        self._environment = environment
        self._written: dict[str, KeyPath] = {}

    def faults(self) -> Iterator[Fault]:
        """Find sources that are none, and outputs that are none, are written twice, or are read."""
        for index, stream in enumerate(self._settings.streams):
            path: KeyPath = ("streams", index)
            source: Source = Elsewhere()
            try:
                source = stored(self._environment.fill(stream.source))
            except (EdgesegError, OSError) as error:
                yield self._fault((*path, "source"), error)
            yield from self._outputs(stream, path, source)
            for number, zone in enumerate(stream.zones):
                yield from self._event_outputs(zone.outputs, (*path, "zones", number))

    def _outputs(self, stream: StreamSettings, path: KeyPath, source: Source) -> Iterator[Fault]:
        for number, text in enumerate(stream.outputs):
            place = (*path, "outputs", number)
            try:
                filled = self._environment.fill(text)
                check_outputs([filled], source, engine=Path(self._settings.engine))
                self._take(filled, place)
            except EdgesegError as error:
                yield self._fault(place, error)

    def _event_outputs(self, texts: tuple[str, ...], path: KeyPath) -> Iterator[Fault]:
        for number, text in enumerate(texts):
            place = (*path, "outputs", number)
            try:
                filled = self._environment.fill(text)
                check_place(filled)
                if _key(filled) in self._written:
                    self._take(filled, place)
            except EdgesegError as error:
                yield self._fault(place, error)

    def _take(self, text: str, path: KeyPath) -> None:
        if (first := self._written.setdefault(_key(text), path)) != path:
            raise UsageError(f"{named(first)} is the same; give each output a path of its own")

    def _fault(self, path: KeyPath, error: Exception) -> Fault:
        return Fault(path, f"cannot be used: {self._environment.hide(str(error))}")


class Elsewhere(Source):
    """A source of which nothing is known: a camera that is not looked for."""

    name = "camera"
    live = True

    def read(self) -> Frame | None:
        """Give nothing."""
        return None


def stored(text: str) -> Source:
    """Open a source that is stored or generated, and close it; look at the address alone of every other.

    Raises:
        UsageError: if it is no source.
        SourceError: if it is a file or folder that cannot be read.
    """
    if text.startswith(GSTREAMER_PREFIX):
        return Elsewhere()
    if URL.fullmatch(text):
        Address.parse(text)
        return Elsewhere()
    place, _ = split_options(text)
    if place.isdecimal() or place.startswith(DEVICE_FOLDER):
        return Elsewhere()
    with open_source(text) as source:
        return source


def _key(text: str) -> str:
    return text if "://" in text else str(Path(text).resolve())
