"""Tell packages from other files, and turn what one asks of a build, and its device adds, into a request."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.engines.registry import DEFAULT
from edgeseg.engines.request import Request
from edgeseg.reading import open_regular
from edgeseg.spec import Precision

MANIFEST_NAME = "package.json"  # in a package, which is a zip archive


def holds_package(path: Path) -> bool:
    """Whether a file is a package, and no other zip archive, as weights are; nothing else is said of it."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:  # a pipe would never open
            return MANIFEST_NAME in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


@dataclass(frozen=True)
class PackedRequest:
    """What is asked of a build; None leaves it to whoever builds. `options` are those of `Request`."""

    backend: str | None = None
    precision: Precision | None = None
    device: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def request(self, threads: int | None = None) -> Request:
        """Ask for what is left open as `Request` has it; raises as `Request`."""
        return Request(self.backend or DEFAULT, self.precision or "fp32", self.device, threads, self.options)

    def but(self, asked: PackedRequest) -> PackedRequest:
        """Put what else is asked over this; options that another backend lacks are left out of this one's."""
        backend = asked.backend or self.backend
        options = self.options if backend == self.backend else self.options_for(backend)
        return PackedRequest(
            backend,
            asked.precision or self.precision,
            asked.device or self.device,
            {**options, **asked.options},
        )

    def options_for(self, backend: str | None) -> dict[str, Any]:
        """Give the options that a backend has."""
        known = Request(backend or DEFAULT).options_known
        return {name: value for name, value in self.options.items() if name in known}

    def detached(self) -> tuple[PackedRequest, dict[str, Path]]:
        """Take out options that are files; returns those files, by their name within a package."""
        known = self.request().options_known
        files = {name: known[name].attachment for name in self.options if known[name].attachment}
        options = {name: value for name, value in self.options.items() if name not in files}
        attachments = {files[name]: Path(self.options[name]) for name in files}
        return dataclasses.replace(self, options=options), attachments

    def attached(self, files: Collection[str], folder: Path) -> PackedRequest:
        """Put in the options that are files of an unpacked package, where nothing else is asked of them."""
        known = self.request().options_known
        found = {name: folder / o.attachment for name, o in known.items() if o.attachment in files}
        return dataclasses.replace(self, options={**found, **self.options})
