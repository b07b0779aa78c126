"""Look at the sources and outputs of a site without opening a camera or writing anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from edgeseg.errors import EdgesegError, SinkError, SourceError, UsageError
from edgeseg.runtime.events.outputs import check_place
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.settings import SiteSettings, StreamSettings
from edgeseg.runtime.sinks import check_outputs, takes_one_image
from edgeseg.runtime.sinks.addresses import is_address
from edgeseg.runtime.site.environment import Environment
from edgeseg.runtime.site.faults import Fault, KeyPath, named
from edgeseg.runtime.sources import DEVICE_FOLDER, open_source
from edgeseg.runtime.sources.address import GSTREAMER_PREFIX
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.network import URL, Address
from edgeseg.runtime.sources.options import split_options
from edgeseg.spec import InputSpec

WEB = ("http://", "https://")


class Places:
    """All places of a site: those that streams read and write, each of which only one may write.

    Args:
        files: find out whether outputs can be written.
        frames: each stream stops after so many results; None for never.
        taken: the network's input; None where it cannot be read.
    """

    def __init__(
        self,
        settings: SiteSettings,
        environment: Environment,
        *,
        files: bool,
        frames: int | None,
        taken: InputSpec | None = None,
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._files = files
        self._frames = frames
        self._taken = taken
        self._written: dict[str, KeyPath] = {}

    def faults(self) -> Iterator[Fault]:
        """Find sources that are none, and outputs that are none, are written twice, or are read."""
        for index, stream in enumerate(self._settings.streams):
            path: KeyPath = ("streams", index)
            source: Source = Elsewhere(live=False)
            try:
                source = stored(self._environment.fill(stream.source), self._taken)
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
                if self._frames != 1:
                    check_images([filled], source)
                if self._files and not is_address(filled):
                    check_room(Path(filled))
                self._take(filled, place)
            except EdgesegError as error:
                yield self._fault(place, error)

    def _event_outputs(self, texts: tuple[str, ...], path: KeyPath) -> Iterator[Fault]:
        for number, text in enumerate(texts):
            place = (*path, "outputs", number)
            try:
                filled = self._environment.fill(text)
                check_place(filled)
                if self._files and not is_address(filled):
                    check_room(Path(filled), made=False)
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
    """A source that is not looked for: a camera, an address, a pipeline.

    Args:
        live: it is known to go on; a picture on a web server, or a pipeline, may have an end.
    """

    name = "camera"

    def __init__(self, *, live: bool) -> None:
        super().__init__()
        self.live = live

    def read(self) -> Frame | None:
        """Give nothing."""
        return None


def stored(text: str, taken: InputSpec | None = None) -> Source:
    """Open a source that is stored or generated, and close it; look at the address alone of every other.

    Args:
        taken: the network's input, see `open_source`.

    Raises:
        UsageError: if it is no source.
        SourceError: if it is a file or folder that cannot be read.
    """
    if taken is not None and not taken.takes_camera_frames:
        with open_source(text, taken) as source:
            return source
    if text.startswith(GSTREAMER_PREFIX):
        return Elsewhere(live=False)
    if URL.fullmatch(text):
        Address.parse(text)
        return Elsewhere(live=not text.lower().startswith(WEB))
    place, _ = split_options(text)
    if place.isdecimal() or place.startswith(DEVICE_FOLDER):
        return Elsewhere(live=True)
    with open_source(text) as source:
        return source


def check_images(texts: Sequence[str], source: Source) -> None:
    """Look whether a picture of one frame is asked for where it is known that there are more.

    Raises:
        UsageError: if so.
    """
    for text in filter(takes_one_image, texts):
        if _has_several_frames(source):
            raise UsageError(
                f"-o {text} takes one image, and {source.name} has more; write to a folder or an .mp4, or "
                "stop after one with --frames 1"
            )


def refuse_images(texts: Sequence[str], source: str, taken: InputSpec) -> None:
    """Raise UsageError for a picture of one frame where there are more; a bad source says so itself."""
    if any(map(takes_one_image, texts)):
        with suppress(SourceError, OSError):
            check_images(texts, stored(source, taken))


def _has_several_frames(source: Source) -> bool:
    """Whether that is known."""
    if source.frame_count is not None:
        return source.frame_count > 1
    return source.live or not (source.files or isinstance(source, Elsewhere))  # else it never ends


def check_room(path: Path, *, made: bool = True) -> None:
    """Find out whether an output can be written, without writing.

    Args:
        made: folders that are missing are made for it.

    Raises:
        SinkError: if it cannot.
    """
    place = path.resolve()
    folder = place if place.is_dir() else place.parent
    while made and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.exists():
        raise SinkError(f"there is no folder {folder}; make it, or choose another place for {path.name}")
    if not folder.is_dir():
        raise SinkError(f"{folder} is no folder, so that {path} cannot lie in it")
    target = place if place.exists() else folder
    if not os.access(target, os.W_OK):
        raise SinkError(
            f"{target} may not be written by this user; choose another place, or change its rights"
        )


def _key(text: str) -> str:
    return text if "://" in text else str(Path(text).resolve())
