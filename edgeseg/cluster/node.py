"""Run on one node the cameras that the driver gives it: a site, which follows one order after another."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from edgeseg.cluster.joining import EXTRA
from edgeseg.cluster.load import Meter
from edgeseg.cluster.order import Order, Report
from edgeseg.cluster.sent import unpacked
from edgeseg.errors import EdgesegError, EngineError, UsageError
from edgeseg.extras import require
from edgeseg.runtime.profiling.memory import parse_memory
from edgeseg.runtime.settings import SiteSettings
from edgeseg.runtime.site.memory import check_taken
from edgeseg.runtime.site.site import Site

USE = "cameras"  # of engines that are unpacked
LEASE_S = 4.0  # without an order for so long, its cameras end: the driver may have given them to others
TICK_S = 0.25  # between two looks at the time
RETRY_S = 5.0  # before an order that failed is tried again
VERIFY_S = 900.0  # that a proof may take
NICENESS = 10  # of a proof, which must not take the cameras' time


class Node:
    """A site whose cameras come and go; in a cluster an actor, one a node.

    An order says all that is to run. A thread follows it: cameras that stay run on without a gap, and so they
    do when the engine is another. Any thread may call.

    Args:
        cores: that may be used at most.
        lease_s: without an order for longer all cameras end, and begin again with the next order.
    """

    def __init__(self, cores: float, lease_s: float = LEASE_S) -> None:
        self._lease_s = lease_s
        self._engines: dict[str, Path] = {}
        self._meter = Meter(cores)
        self._changed = threading.Condition()
        self._order: Order | None = None
        self._silent_s = 0.0  # since the last order
        self._tried_s = -RETRY_S  # when an order was last followed, or could not be
        self._closed = self._following = False
        self._site: Site | None = None
        self._followed: Order | None = None
        self._computing = ""  # the digest of the engine in use
        self._error = ""
        self._thread = threading.Thread(target=self._run, name="edgeseg-node", daemon=True)
        self._thread.start()

    def pid(self) -> int:
        """Name the process."""
        return os.getpid()

    def prepare(self, digest: str, package: Sequence[Any], *, proven: bool) -> str:
        """Fetch an engine, and prove it where asked, at a low priority in a process of its own.

        Args:
            package: Ray's reference to the packed folder, in a list, which Ray passes on as it is.
            proven: whether it must pass `edgeseg verify` here.

        Returns:
            Why it cannot be used; empty where it can.
        """
        try:
            (reference,) = package
            data = reference if isinstance(reference, bytes) else require("ray", EXTRA).get(reference)
            folder = unpacked(data, digest, USE)
            if proven:
                prove(folder)
        except EdgesegError as error:
            return str(error)
        self._engines[digest] = folder
        return ""

    def turn(self, order: Order) -> Report:
        """Take an order, which prolongs the lease, and say how things are; does not wait.

        Raises:
            EngineError: if more memory was taken than the settings allow.
        """
        if order.settings.max_memory is not None:
            check_taken(parse_memory(order.settings.max_memory))
        with self._changed:
            self._order, self._silent_s = order, 0.0
            self._changed.notify_all()
            site, engine, settled = self._site, self._computing, not self._following
        cameras = () if site is None else site.status()
        return Report(engine, cameras, self._meter.load, settled and not self._following, self._error)

    def close(self) -> None:
        """End all cameras, and finish what they wrote."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        """Follow the newest order until the end."""
        looked_s = time.monotonic()
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._is_due(), TICK_S)
                now_s = time.monotonic()
                self._silent_s += min(now_s - looked_s, 2 * TICK_S)  # not while the machine was suspended
                looked_s = now_s
                wanted = self._wanted() if self._is_due() else None
                self._following = wanted is not None
            if wanted is not None and not self._closed:
                self._tried_s = now_s
                error = _said(partial(self._follow, wanted))
                self._error = error if self._site is None else self._site.shown(error)
                self._following = False
            if self._site is not None:
                _said(partial(self._meter.measure, self._site.status()))
        if self._site is not None:
            self._site.close()

    def _is_due(self) -> bool:
        """Whether there is an order to follow, and if it failed, whether to try it again."""
        is_new = self._wanted() != self._followed
        return is_new and (not self._error or time.monotonic() - self._tried_s >= RETRY_S)

    def _wanted(self) -> Order | None:
        """Give the order that holds: once the lease has ended, one without cameras."""
        order = self._order
        if order is None or self._silent_s < self._lease_s:
            return order
        return dataclasses.replace(order, settings=dataclasses.replace(order.settings, streams=()))

    def _follow(self, order: Order) -> None:
        settings = dataclasses.replace(order.settings, engine=str(self._engines[order.engine]), serve=None)
        if self._site is None:
            site = Site(dataclasses.replace(settings, streams=()))
            self._site = site.__enter__()
        self._site.write_beside(order.written)
        try:
            self._site.reload(settings)
        except EdgesegError:
            self._follow_in_part(self._site, settings, order.engine)
        self._computing, self._followed = order.engine, order

    def _follow_in_part(self, site: Site, settings: SiteSettings, engine: str) -> None:
        """Run the cameras that can be run. Raises UsageError, which names the others."""
        running = [one.settings for one in site.running]
        taken = tuple(one for one in settings.streams if one in running)
        site.reload(dataclasses.replace(settings, streams=taken))
        self._computing = engine
        errors = []
        for one in settings.streams:
            if one not in taken:
                try:
                    site.reload(dataclasses.replace(settings, streams=(*taken, one)))
                    taken = (*taken, one)
                except EdgesegError as error:
                    errors.append(f"{one.name}: {error}")
        if errors:
            raise UsageError("; ".join(errors))


def prove(folder: Path) -> None:
    """Run `edgeseg verify` on an engine, in a process whose end harms nobody here.

    Raises:
        EngineError: with what it said, if it failed.
    """
    command = [sys.executable, "-m", "edgeseg", "verify", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        try:
            _, said = process.communicate(timeout=VERIFY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise EngineError(f"its proof took longer than {VERIFY_S:g} s") from None
    if process.returncode < 0:
        raise EngineError(f"its proof died of signal {-process.returncode}")
    if process.returncode:
        last = said.strip().rpartition("\n")[2].removeprefix("error: ")
        raise EngineError(last or f"its proof ended with status {process.returncode}")


def _said(action: Callable[[], object]) -> str:
    """Do something; give the error's text, or nothing where all went well."""
    try:
        action()
    except Exception as error:  # whatever it is, the driver is to know, and the thread to go on
        return str(error) or type(error).__name__
    return ""
