"""The driver's end of one node: its actor, orders to it one at a time, and whether it still answers."""

from __future__ import annotations

import dataclasses
import time
import uuid
from contextlib import suppress
from typing import Any

from edgeseg import __version__
from edgeseg.cluster.node import Node
from edgeseg.cluster.order import Order, Report
from edgeseg.cluster.placed import Sent
from edgeseg.errors import one_line
from edgeseg.runtime.settings import SiteSettings

TURN_S = 0.5  # between two orders
SILENT_S = 3.5  # without an answer for so long a node is lost; longer than its lease
START_S = 60.0  # that a node may take to be there, with the engine
LONGEST_LOOK_S = 1.0  # between two looks; for more this process itself was held up, and no node is to blame
GONE = "its process is gone"  # or cannot be reached, which is the same to the cluster
NODE_GONE = "its node is gone"
NOT_MADE = "raised in its creation task"  # Ray's words on an actor that is gone
PROCESS_DIED = "its worker process has died"
NODE_DIED = ("its node has died", "doesn't exist any more")
THREADS = 4  # of an actor: an order, an engine that is opened, and its end do not wait for each other
PROOF = "proof"  # the threads of an actor that prove engines, apart from those that take orders
PROOFS = 2  # of them: a newer proof ends the older
ZERO_GPUS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}  # lets actors that ask for no GPU see those there


class Link:
    """One node that runs cameras, seen from the driver, whose thread alone calls.

    Args:
        ray: the library.
        name: to call it by.
        node: its id in the cluster.
        cores: that the cluster says it has.

    Attributes:
        key: of its process, another for each link.
        report: the last one, None before.
        lost: why it is given up; empty while it is not.
        died: whether its process alone is known to be gone, not the node.
        prepared: by digest of an engine: why it does not open there, empty where it does.
        proven: by digest of an engine: why it failed its proof there, empty where it passed.
        held: cameras that it may be running.
        made_s: when it was made, by `time.monotonic()`.
    """

    def __init__(self, ray: Any, name: str, node: str, cores: float) -> None:
        self.name = name
        self.node = node
        self.key = uuid.uuid4().hex
        self.cores = cores
        self.report: Report | None = None
        self.lost = ""
        self.died = False
        self.prepared: dict[str, str] = {}
        self.proven: dict[str, str] = {}
        self.held: set[str] = set()
        self._ray = ray
        made = ray.remote(
            num_cpus=0,
            max_concurrency=THREADS,
            concurrency_groups={PROOF: PROOFS},
            scheduling_strategy=ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                node, soft=False
            ),
            runtime_env={"env_vars": ZERO_GPUS},
        )
        self._actor = made(Node).remote(cores)
        self._born: Any = self._actor.version.remote()  # what answers once it is there; None after that
        self._preparing: dict[Any, tuple[str, float]] = {}  # digests and when asked, by what will answer
        self._proving: tuple[Any, str] | None = None  # what will answer the newest proof, and its digest
        self._turn: Any = None  # what will answer the last order
        self._ordered: Order | None = None
        self._asked_s = 0.0
        self._silent_s = 0.0
        self.made_s = self._looked_s = time.monotonic()

    def prepare(self, engine: Sent, settings: SiteSettings) -> None:
        """Have the node fetch an engine, and run it once by settings; `prepared` says how it went."""
        digest = engine.digest
        if digest not in self.prepared and all(digest != one for one, _ in self._preparing.values()):
            asked = self._actor.prepare.remote(engine, _without_streams(settings), proven=False)
            self._preparing[asked] = digest, time.monotonic()

    def prove(self, engine: Sent, settings: SiteSettings) -> None:
        """Have the node prove an engine anew, in place of what it proves; `proven` says how it went."""
        self.proven.pop(engine.digest, None)
        prove = self._actor.prepare.options(concurrency_group=PROOF)
        self._proving = prove.remote(engine, _without_streams(settings), proven=True), engine.digest

    def is_proving(self, digest: str) -> bool:
        """Whether the answer is not there yet."""
        return self._proving is not None and self._proving[1] == digest

    def order(self, order: Order) -> None:
        """Give an order, unless the last one is not answered, or was the same a moment ago."""
        again = order == self._ordered and time.monotonic() - self._asked_s < TURN_S
        if self._turn is None and not again and not self.lost:
            self.held |= {stream.name for stream in order.settings.streams}
            self._ask(self._actor.turn.remote(order), order)

    def beat(self) -> None:
        """Ask a node that is there and has no orders whether it still is."""
        again = time.monotonic() - self._asked_s < TURN_S
        if self._turn is None and self._born is None and not again and not self.lost:
            self._ask(self._actor.pid.remote(), None)

    def look(self) -> bool:
        """Take the answers that are there; true where a report is among them."""
        now_s = time.monotonic()
        passed_s, self._looked_s = min(now_s - self._looked_s, LONGEST_LOOK_S), now_s
        self._look_at_engines(now_s)
        if self._turn is None:
            return False
        self._silent_s += passed_s
        if self._answered([self._turn]):
            reference, self._turn = self._turn, None
            report = self._get(reference)
            if isinstance(report, Report) and self._ordered is not None:
                self.report = report
                self._give_up(report.hung)
                running = {camera.name for camera in report.cameras}
                self.held = running | {stream.name for stream in self._ordered.settings.streams}
                return True
        elif self._silent_s > SILENT_S:
            self._give_up(f"no answer for {SILENT_S:g} s")
        return False

    def end(self) -> Any:
        """Ask it to finish what was written; gives what will answer."""
        return self._actor.close.remote()

    def kill(self) -> None:
        """End its process."""
        with suppress(Exception):
            self._ray.kill(self._actor, no_restart=True)

    def _ask(self, turn: Any, order: Order | None) -> None:
        self._turn, self._ordered = turn, order
        self._asked_s, self._silent_s = time.monotonic(), 0.0

    def _give_up(self, reason: str) -> None:
        """Note why it is lost, unless that is known; nothing where there is no reason."""
        self.lost = self.lost or reason

    def _look_at_engines(self, now_s: float) -> None:
        """Take the answers on whether it is there, and on engines; what takes too long is lost."""
        if self._born is not None and self._answered([self._born]):
            version, self._born = self._get(self._born), None
            if version not in (None, __version__):
                self._give_up(f"it has edgeseg {version}, the command {__version__}")
        for reference in self._answered(list(self._preparing)):
            digest, _ = self._preparing.pop(reference)
            if (answer := self._get(reference)) is not None:
                self.prepared[digest] = answer
        if self._proving is not None and self._answered([self._proving[0]]):
            (reference, digest), self._proving = self._proving, None
            if (answer := self._get(reference)) is not None:
                self.proven[digest] = answer
                if not answer:
                    self.prepared[digest] = ""
        asked_s = [since_s for _, since_s in self._preparing.values()]
        if min([*asked_s, now_s if self._born is None else self.made_s]) < now_s - START_S:
            self._give_up(f"it did not start within {START_S:g} s")

    def _answered(self, references: list[Any]) -> list[Any]:
        if not references:
            return []
        done: list[Any] = self._ray.wait(references, num_returns=len(references), timeout=0)[0]
        return done

    def _get(self, reference: Any) -> Any:
        """Give an answer; None if there will be none, which is noted."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            self._give_up(why_gone(str(error)))
            self.died = self.died or PROCESS_DIED in str(error)
            return None
        except Exception as error:  # Ray's own, or what the actor raised
            cause = getattr(error, "cause", None) or error
            self._give_up(one_line(str(cause).strip().partition("\n")[0] or type(cause).__name__))
            return None


def why_gone(said: str) -> str:
    """Say in a line why there is no process, by what Ray says of it."""
    if NOT_MADE in said:
        return f"its process does not start: {one_line(said.strip().rpartition(chr(10))[2])}"
    return NODE_GONE if any(words in said for words in NODE_DIED) else GONE


def _without_streams(settings: SiteSettings) -> SiteSettings:
    return dataclasses.replace(settings, streams=())
