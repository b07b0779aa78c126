"""Run on one node the cameras that the driver gives it: a site, which follows one order after another."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Callable
from functools import partial

from edgeseg import __version__
from edgeseg.cluster.load import Meter
from edgeseg.cluster.order import Order, Report
from edgeseg.cluster.placed import Placed, Sent
from edgeseg.cluster.proof import Proofs
from edgeseg.cluster.trial import Trial, tried
from edgeseg.errors import EngineError
from edgeseg.runtime.profiling.memory import parse_memory
from edgeseg.runtime.settings import SiteSettings
from edgeseg.runtime.site.memory import check_taken
from edgeseg.runtime.site.site import Site

USE = "cameras"  # of engines on nodes
LEASE_S = 2.5  # without an order for so long, its cameras end: the driver may have given them to others
TICK_S = 0.25  # between two looks at the time
RETRY_S = 5.0  # before an order that failed is tried again; any other is followed at once
HUNG_S = 8.0  # that an engine may be silent
FOLLOW_S = 20.0  # that an order may take; streams that do not end take 4 s of it
TIMES = 10.0  # as long as it took in its trial an engine may take, where that is longer


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
        self._engines: dict[str, Placed] = {}  # by digest: those that open and run here
        self._trials: dict[str, Trial] = {}
        self._proofs = Proofs()
        self._meter = Meter(cores, self._proofs)
        self._changed = threading.Condition()
        self._order: Order | None = None
        self._silent_s = 0.0  # since the last order
        self._tried: Order | None = None  # the order that was followed last, or could not be
        self._tried_s = 0.0
        self._closed = self._following = False
        self._site: Site | None = None
        self._computing = ""  # the digest of the engine in use
        self._broken = ""
        self._refused: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="edgeseg-node", daemon=True)
        self._thread.start()

    def pid(self) -> int:
        """Name the process."""
        return os.getpid()

    def version(self) -> str:
        """Name the edgeseg that is installed here."""
        return __version__

    def prepare(self, engine: Sent, settings: SiteSettings | None = None, *, proven: bool) -> str:
        """Fetch an engine, prove it where asked, in a process of its own, and then open it and run it once.

        Args:
            settings: by which cameras are to run, without them; None for what the engine was built for.
            proven: whether it must pass `edgeseg verify` here. A newer proof ends one that still runs.

        Returns:
            Why it cannot be used; empty where it can.
        """
        return _said(partial(self._prepare, engine, settings, proven))

    def turn(self, order: Order) -> Report:
        """Take an order, which prolongs the lease, and say how things are; does not wait.

        Raises:
            EngineError: if more memory was taken than the settings allow.
        """
        if order.settings.max_memory is not None:
            check_taken(parse_memory(order.settings.max_memory), but=self._proofs.processes)
        with self._changed:
            self._order, self._silent_s = order, 0.0
            was_tried, settled = order == self._tried, not self._following
            self._changed.notify_all()
            site, engine = self._site, self._computing
            broken, refused = (self._broken, dict(self._refused)) if was_tried else ("", {})
        cameras = () if site is None else site.status()
        settled = was_tried and settled and not self._following
        error = broken or "; ".join(f"{name}: {why}" for name, why in refused.items())
        return Report(engine, cameras, self._meter.load, settled, error, refused, broken, self._hung())

    def close(self) -> None:
        """End all cameras, finish what they wrote, and remove the engines that no other process has."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._proofs.close()
        self._thread.join()
        for placed in self._engines.values():
            placed.close()

    def _prepare(self, engine: Sent, settings: SiteSettings | None, proven: bool) -> None:
        placed = Placed(engine, USE)
        try:
            if proven:
                self._proofs.prove(placed.folder)
            trial = tried(placed.folder, settings, but=self._proofs.processes)
            self._keep(engine.digest, placed, trial)
        except BaseException:
            placed.close()
            raise

    def _keep(self, digest: str, placed: Placed, trial: Trial) -> None:
        """Have an engine here until the end."""
        with self._changed:
            if self._closed:
                raise EngineError("its node has ended")
            before = self._engines.get(digest)
            self._engines[digest], self._trials[digest] = placed, trial
        if before is not None:
            before.let_go()  # the same folder, which stays

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
                if wanted is not None:
                    if wanted != self._tried:
                        self._broken, self._refused = "", {}
                    self._tried, self._tried_s = wanted, now_s
            if wanted is not None and not self._closed:
                broken = _said(partial(self._follow, wanted))
                self._broken = broken if self._site is None else self._site.shown(broken)
                self._following = False
            if self._site is not None:
                _said(partial(self._meter.measure, self._site.status()))
        if self._site is not None:
            self._site.close()

    def _is_due(self) -> bool:
        """Whether there is an order to follow, and if that one failed, whether to try it again."""
        if self._wanted() != self._tried:
            return True
        failed = bool(self._broken or self._refused)
        return failed and time.monotonic() - self._tried_s >= RETRY_S

    def _wanted(self) -> Order | None:
        """Give the order that holds: once the lease has ended, one without cameras."""
        order = self._order
        if order is None or self._silent_s < self._lease_s:
            return order
        return dataclasses.replace(order, settings=dataclasses.replace(order.settings, streams=()))

    def _hung(self) -> str:
        """Say why nothing more is to be expected of this process; empty where something is."""
        trial = self._trials.get(self._computing, Trial(0.0, 0.0))
        limit_s = max(HUNG_S, TIMES * trial.inferred_s)
        if self._site is not None and self._site.computing_s > limit_s:
            return f"its engine was silent for {limit_s:.0f} s"
        tried, since_s = self._tried, self._tried_s
        if self._following and tried is not None:
            trial = self._trials.get(tried.engine, trial)
            limit_s = max(FOLLOW_S, TIMES * (trial.opened_s + trial.inferred_s))
            if time.monotonic() - since_s > limit_s:
                return f"it could not follow an order within {limit_s:.0f} s"
        return ""

    def _follow(self, order: Order) -> None:
        """Run what an order asks for; what memory may be taken is looked at here, without the proofs."""
        site, placed = self._site, self._engines.get(order.engine)
        settings = dataclasses.replace(order.settings, serve=None, max_memory=None)
        if placed is None and settings.streams:
            raise EngineError(f"the engine {order.engine[:12]} is not prepared")
        if placed is None:  # nor needed: what there is goes on without cameras
            if site is not None:
                site.reload(dataclasses.replace(site.settings, streams=()))
            self._refused = {}
            return
        settings = dataclasses.replace(settings, engine=str(placed.folder))
        if site is None:
            site = self._site = Site(dataclasses.replace(settings, streams=())).__enter__()
        site.write_beside(order.written)
        try:
            site.reload(settings)
            refused = {}
        except Exception:  # of one camera, or of the engine
            refused = _run_others(site, settings)
        self._computing, self._refused = order.engine, refused


def _run_others(site: Site, settings: SiteSettings) -> dict[str, str]:
    """Run the cameras that can be run; give why others cannot, by name. Raises what is not of a camera."""
    running = [one.settings for one in site.running]
    taken = tuple(one for one in settings.streams if one in running)
    try:
        site.reload(dataclasses.replace(settings, streams=taken))
    except Exception:  # they may be made anew for another engine, which one does not fit
        taken = ()
        site.reload(dataclasses.replace(settings, streams=taken))
    refused = {}
    for one in settings.streams:
        if one not in taken:
            try:
                site.reload(dataclasses.replace(settings, streams=(*taken, one)))
                taken = (*taken, one)
            except Exception as error:  # whatever it is, the driver is to know, and the others to go on
                refused[one.name] = site.shown(str(error) or type(error).__name__)
    return refused


def _said(action: Callable[[], object]) -> str:
    """Do something; give the error's text, or nothing where all went well."""
    try:
        action()
    except Exception as error:  # whatever it is, the driver is to know, and the thread to go on
        return str(error) or type(error).__name__
    return ""
