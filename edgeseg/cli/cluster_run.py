"""Run a site's cameras on a Ray cluster: say what changes, read the site's file again, report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeseg.cli.options import write_json
from edgeseg.cli.outputs import check_reports
from edgeseg.errors import EdgesegError, SourceError, UsageError
from edgeseg.interrupts import INTERRUPTED, hear_reloads

if TYPE_CHECKING:
    from edgeseg.cluster.cameras import Cameras
    from edgeseg.runtime.settings import SiteSettings
    from edgeseg.runtime.site.reading import SettingsFile

LOOK_S = 0.1  # between two looks at the cluster
STATUS_S = 2.0  # between two writings of the status
DEVICE_FOLDER = "/dev/"


def run_cluster(
    settings: SiteSettings, *, file: SettingsFile | None, address: str, status_path: Path | None
) -> None:
    """Run cameras until their sources end, or it is interrupted, and report.

    Args:
        settings: as `for_nodes` gives them.
        address: of the Ray cluster.
        status_path: where to write who runs what.

    Raises:
        EdgesegError: what went wrong first, after the report.
    """
    from edgeseg.cluster.cameras import Cameras

    check_reports(
        {"--status": status_path}, engines=[Path(settings.engine)], reads=[file.path] if file else []
    )
    _refuse_faults(settings, file)
    with Cameras(settings, address, say=_say) as cameras:
        try:
            _watch(cameras, file, status_path)
        except KeyboardInterrupt:
            _report(cameras)
            raise click.exceptions.Exit(INTERRUPTED) from None
        _report(cameras)
        if errors := cameras.errors():
            raise SourceError("; ".join(f"{name}: {error}" for name, error in errors.items()))


def for_nodes(settings: SiteSettings) -> SiteSettings:
    """Name the streams, and make all paths absolute: nodes have working folders of their own.

    Raises:
        UsageError: if something is asked for that is of one machine.
    """
    from edgeseg.runtime.site.names import with_names
    from edgeseg.runtime.site.reading import from_folder

    if settings.serve is not None:
        raise UsageError("the page is of one machine; leave out --serve, or [serve], and take --status")
    for stream in settings.streams:
        if _is_device(stream.source):
            raise UsageError(f"{stream.source} is a device of one machine; give cameras that all nodes reach")
    named = with_names(settings)
    return from_folder(named, Path.cwd())


def _is_device(source: str) -> bool:
    """Whether a source is a device of one machine, also where GStreamer reads it."""
    from edgeseg.runtime.sources.address import GSTREAMER_PREFIX

    of_gstreamer = source.startswith(GSTREAMER_PREFIX) and DEVICE_FOLDER in source
    return source.isdecimal() or source.startswith(DEVICE_FOLDER) or of_gstreamer


def _watch(cameras: Cameras, file: SettingsFile | None, status_path: Path | None) -> None:
    """Look until all cameras have ended."""
    from edgeseg.runtime.site.changes import Changes

    changes = Changes()
    written_s = time.monotonic() - STATUS_S
    with hear_reloads() as wished:
        while True:
            ended = cameras.look()
            status = cameras.status()
            for line in changes.lines([one.stream for one in status.cameras if one.stream is not None]):
                _say(line)
            if status_path is not None and (ended or time.monotonic() - written_s >= STATUS_S):
                written_s = time.monotonic()
                write_json(status_path, _shown(status))
            if ended:
                return
            if file is not None and wished():
                file = _reload(cameras, file)
            time.sleep(LOOK_S)


def _reload(cameras: Cameras, file: SettingsFile) -> SettingsFile:
    """Read the file again; what is wrong with it is said, and changes nothing."""
    from edgeseg.runtime.site.faults import SettingsError
    from edgeseg.runtime.site.reading import read_settings

    try:
        read = read_settings(file.path)
        settings = for_nodes(read.settings)
        if lines := _faults(settings, read):
            raise SettingsError(lines)
        cameras.reload(settings)
    except (EdgesegError, OSError) as error:  # such as of a file system that is away
        for line in getattr(error, "lines", (str(error),)):
            _say(f"error: {line}")
        _say(f"{file.path} is not followed; all goes on as before")
        return file
    _say(f"{file.path} read again")
    return read


def _faults(settings: SiteSettings, file: SettingsFile | None) -> tuple[str, ...]:
    from edgeseg.runtime.site.check import check
    from edgeseg.runtime.site.environment import Environment

    faults = check(settings, Environment(), files=False, here=False)
    return file.placed(faults) if file is not None else tuple(map(str, faults))


def _refuse_faults(settings: SiteSettings, file: SettingsFile | None) -> None:
    from edgeseg.runtime.site.faults import SettingsError

    if lines := _faults(settings, file):
        raise SettingsError(lines)


def _shown(status: object) -> object:
    from edgeseg.records import to_json_value

    return to_json_value(status)


def _report(cameras: Cameras) -> None:
    for camera in cameras.status().cameras:
        stream = camera.stream
        if stream is not None:
            moved = f", moved {camera.moves} times" if camera.moves else ""
            click.echo(f"{camera.name}: {stream.results} frames on {camera.node or 'no node'}{moved}")


def _say(line: str) -> None:
    click.echo(line, err=True)
