"""Give every stream a name of its own."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import PurePath

from edgeseg.runtime.settings import SiteSettings, StreamSettings
from edgeseg.runtime.site.faults import Fault
from edgeseg.runtime.sources.options import split_options

LONGEST_NAME = 64  # characters
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*):(//)?(?:[^/?#]*@)?([^/?#:,]*)", re.IGNORECASE)


def with_names(settings: SiteSettings) -> SiteSettings:
    """Name the streams that have none after their sources: `street`, `10.0.0.2`, `camera-0`, `street-2`."""
    taken = {stream.name for stream in settings.streams if stream.name}
    streams = []
    for stream in settings.streams:
        if not stream.name:
            name = next(name for name in _numbered(_name_of(stream)) if name not in taken)
            taken.add(name)
            stream = dataclasses.replace(stream, name=name)  # noqa: PLW2901 - the same one, named
        streams.append(stream)
    return dataclasses.replace(settings, streams=tuple(streams))


def bad_names(settings: SiteSettings) -> list[Fault]:
    """Find names that cannot stand in addresses and topics, or that several streams have."""
    faults, first = [], dict[str, int]()
    for index, stream in enumerate(settings.streams):
        path = ("streams", index, "name")
        if stream.name and (not _NAME.fullmatch(stream.name) or len(stream.name) > LONGEST_NAME):
            faults.append(
                Fault(
                    path,
                    f"must be letters, digits, dots, - and _, {LONGEST_NAME} at most, got {stream.name!r}",
                )
            )
        elif stream.name and first.setdefault(stream.name, index) != index:
            faults.append(Fault(path, f"is the name of streams[{first[stream.name]}] too; give each its own"))
    return faults


def _name_of(stream: StreamSettings) -> str:
    place, _ = split_options(stream.source)
    if match := _ADDRESS.match(place):
        text = match[3] if match[2] else match[1]
    elif place.isdecimal():
        text = f"camera-{place}"
    else:
        text = PurePath(place).stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text.partition("${")[0])
    return name.strip("-._")[: LONGEST_NAME - 5] or "stream"


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 10_000):
        yield f"{name}-{number}"
