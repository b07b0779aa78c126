"""Run a site from the command line: say what changes, read its file again, report what was done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeseg import interrupts
from edgeseg.cli.options import Advance, progress
from edgeseg.cli.tables import print_times
from edgeseg.errors import EdgesegError, SourceError, UsageError
from edgeseg.interrupts import INTERRUPTED

if TYPE_CHECKING:
    from edgeseg.runtime.settings import SiteSettings
    from edgeseg.runtime.sinks.base import Sink
    from edgeseg.runtime.site.environment import Environment
    from edgeseg.runtime.site.reading import SettingsFile
    from edgeseg.runtime.site.site import Running, Site
    from edgeseg.runtime.status import StreamStatus

LOOK_S = 0.2  # between two looks at the streams
HUNG_S = 60.0  # frames wait for so long, and none has a result: the engine hangs
USAGE = 2  # exit status


def check_site(
    settings: SiteSettings, file: SettingsFile | None, frames: int | None, *, here: bool = True
) -> None:
    """Say what is wrong with settings, one line each, and exit; or that nothing is.

    Args:
        here: it is to run on this machine.
    """
    from edgeseg.runtime.site.environment import Environment

    if lines := _faults(settings, file, Environment(), files=True, frames=frames, here=here):
        _say_faults(lines)
        raise click.exceptions.Exit(USAGE)
    count = len(settings.streams)
    click.echo(f"{settings.engine} and {count} stream{'s' * (count != 1)}: nothing is wrong")


def run_site(settings: SiteSettings, *, file: SettingsFile | None, frames: int | None, show: bool) -> None:
    """Run a site until its sources end, or it is interrupted, and report.

    Raises:
        EdgesegError: what went wrong first, after the report.
    """
    from edgeseg.runtime.site.environment import Environment
    from edgeseg.runtime.site.site import Site

    environment = Environment()
    if file is not None and (lines := _faults(settings, file, environment, files=False)):
        _say_faults(lines)
        raise click.exceptions.Exit(USAGE)
    site = Site(settings, environment=environment, frames=frames, more_sinks=_window if show else _no_more)
    watch = _Watch(site, environment, file, frames)
    try:
        with site:
            if not site.engine.manifest.proven:
                _say(
                    f"{settings.engine} was built without its device; prove it here: edgeseg verify "
                    f"{settings.engine}"
                )
            watch.until_end()
    except KeyboardInterrupt:
        _report(site, several=watch.several)
        for running in site.running:
            if (error := running.stream.delivery.error) is not None:
                _say(f"error: {site.shown(str(error))}")
        raise click.exceptions.Exit(INTERRUPTED) from None
    _report(site, several=watch.several)
    _raise_first_error(site)


class _Watch:
    """Looks at a site now and then while it runs."""

    def __init__(
        self, site: Site, environment: Environment, file: SettingsFile | None, frames: int | None
    ) -> None:
        from edgeseg.runtime.site.changes import Changes
        from edgeseg.runtime.site.progress import Progress
        from edgeseg.runtime.site.service import ServiceManager

        self.several = file is not None or len(site.settings.streams) > 1
        self._site = site
        self._environment = environment
        self._file = file
        self._frames = frames
        self._changes = Changes()
        self._progress = Progress()
        self._service = ServiceManager()
        self._alive_s = self._progress_s = time.monotonic()
        self._state = ""
        self._advance: Advance | None = None
        self._advanced = 0

    def until_end(self) -> None:
        """Look until all streams have ended."""
        try:
            with ExitStack() as stack:
                wished = stack.enter_context(_reloads(self._file is not None))
                self._service.ready()
                while not self._site.wait(LOOK_S):
                    self._look(stack)
                    if wished():
                        self._reload()
                self._look(stack)
        finally:
            self._service.stopping()

    def _look(self, stack: ExitStack) -> None:
        from edgeseg.runtime.profiling.memory import parse_memory
        from edgeseg.runtime.site.memory import check_taken

        if (allowed := self._site.settings.max_memory) is not None:
            check_taken(parse_memory(allowed))
        streams = self._site.status()
        for line in self._changes.lines(streams):
            _say(line)
        self._tell_service(streams)
        if not self.several:
            self._tell_progress(streams, stack)

    def _tell_service(self, streams: tuple[StreamStatus, ...]) -> None:
        state = ", ".join(f"{stream.name} {stream.source.state.value}" for stream in streams)
        if state != self._state:
            self._state = state
            self._service.status(state)
        now_s, watchdog_s = time.monotonic(), self._service.watchdog_s
        made = self._progress.made(streams)
        if made:
            self._progress_s = now_s
        self._site.alive = now_s - self._progress_s < HUNG_S
        if made and watchdog_s is not None and now_s - self._alive_s >= watchdog_s / 4:
            self._service.alive()
            self._alive_s = now_s

    def _tell_progress(self, streams: tuple[StreamStatus, ...], stack: ExitStack) -> None:
        done = sum(stream.results for stream in streams)
        if self._advance is None and done:
            source = self._site.running[0].stream.feed.source
            total = self._frames or (source.frame_count if source else None)
            self._advance = stack.enter_context(progress("frames", total))
        if self._advance is not None and done > self._advanced:
            self._advance(done - self._advanced)
            self._advanced = done

    def _reload(self) -> None:
        """Read the file again; what is wrong with it is said, and changes nothing."""
        from edgeseg.runtime.site.faults import SettingsError
        from edgeseg.runtime.site.reading import read_settings

        assert self._file is not None
        self._service.reloading()
        try:
            file = read_settings(self._file.path)
            if lines := _faults(file.settings, file, self._environment, files=False):
                raise SettingsError(lines)
            done = self._site.reload(file.settings)
        except EdgesegError as error:
            for line in getattr(error, "lines", (str(error),)):
                _say(f"error: {self._site.shown(line)}")
            _say(f"{self._file.path} is not followed; all goes on as before")
        else:
            self._file = file
            _say(f"{file.path} read again: {done}")
        self._service.ready()


@contextmanager
def _reloads(heard: bool) -> Iterator[Callable[[], bool]]:
    """Give what says whether settings are to be read again; never, where that is not to be heard."""
    if not heard:
        yield lambda: False
        return
    with interrupts.hear_reloads() as wished:
        yield wished


def _faults(
    settings: SiteSettings,
    file: SettingsFile | None,
    environment: Environment,
    *,
    files: bool,
    frames: int | None = None,
    here: bool = True,
) -> tuple[str, ...]:
    from edgeseg.runtime.site.check import check
    from edgeseg.runtime.site.names import with_names

    faults = check(with_names(settings), environment, files=files, frames=frames, here=here)
    return file.placed(faults) if file is not None else tuple(map(str, faults))


def _say_faults(lines: tuple[str, ...]) -> None:
    for line in lines:
        _say(f"error: {line}")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _window(_: str) -> tuple[Sink, ...]:
    from edgeseg.runtime.sinks.window import WindowSink

    return (WindowSink(),)


def _no_more(_: str) -> tuple[Sink, ...]:
    return ()


def _report(site: Site, *, several: bool) -> None:
    statuses = {status.name: status for status in site.status()}
    for running in site.running:
        _report_stream(site, running, statuses[running.settings.name], several=several)


def _report_stream(site: Site, running: Running, status: StreamStatus, *, several: bool) -> None:
    """Print what one stream did, how long each stage took, and which outputs there are."""
    from edgeseg.runtime.status import DropCause
    from edgeseg.runtime.streams.losses import bad_frames

    if running.stream.error is not None and not status.results:
        return  # the error says it all
    head = f"{status.name}: " if several else ""
    # Frames read ahead when a run stops were not meant to have results; damaged ones are told apart.
    apart = (DropCause.DAMAGED, DropCause.STOPPED)
    drops = {cause.value: count for cause, count in status.source.drops.items() if cause not in apart}
    causes = ", ".join(f"{count} {cause}" for cause, count in drops.items() if count)
    click.echo(
        f"{head}{status.results} frames in {running.seconds:.1f} s, {status.results / running.seconds:.1f} "
        f"a second, {sum(drops.values())} dropped{f' ({causes})' if causes else ''}"
        f"{bad_frames(status.source.drops.get(DropCause.DAMAGED, 0))}"
    )
    if status.source.outages:
        times = "once" if status.source.outages == 1 else f"{status.source.outages} times"
        click.echo(f"{head}down {times}, {status.source.longest_outage_s:.1f} s at most")
    for line in running.stream.notes():
        _say(f"note: {head}{site.shown(line)}")
    for line in running.stream.shed():
        click.echo(f"{head}shed: {line}")
    for line in running.stream.feed.skipped:
        _say(f"skipped: {head}{site.shown(line)}")
    spans = {} if status.latency_ms is None else {"capture to result": status.latency_ms}
    print_times({**status.stages, **spans})
    for text in running.settings.outputs:
        if status.results and Path(text).exists():  # one that got no frame is absent, or still the old one
            click.echo(f"written: {text}")


def _raise_first_error(site: Site) -> None:
    """Raise what ended a stream, and say what ended others.

    Raises:
        EdgesegError: the first error.
    """
    errors = [one.stream.error for one in site.running if one.stream.error is not None]
    for error in errors[1:]:
        _say(f"error: {site.shown(str(error))}")
    if errors:
        error = errors[0]
        if isinstance(error, EdgesegError) and (hidden := site.shown(str(error))) != str(error):
            raise (UsageError if isinstance(error, UsageError) else SourceError)(hidden) from None
        raise error
    partial = [running.settings.name for running in site.running if running.stream.feed.skipped]
    sources = [status.source.address for status in site.status() if status.name in partial]
    if sources:
        raise SourceError(f"not all of {', '.join(sources)} could be read; what could be is done")
