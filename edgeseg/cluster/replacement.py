"""Prove another engine on the nodes that run cameras, and say whether it may take over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from edgeseg.cluster.placed import Sent
from edgeseg.errors import EdgesegError
from edgeseg.runtime.settings import SiteSettings


class Proving(Protocol):
    """A node, as far as a replacement knows it."""

    lost: str
    proven: dict[str, str]

    def prove(self, engine: Sent, settings: SiteSettings) -> None:
        """Begin a proof; `proven` says how it went."""


class Replacement:
    """Another engine on its way: sent beside all else, then proven on every node that is ready.

    Args:
        settings: that hold with it.
        digest: of the engine.
        send: gives what nodes fetch; is called in a thread, as it may take seconds.

    Attributes:
        engine: what `send` gave; None before.
    """

    def __init__(self, settings: SiteSettings, digest: str, send: Callable[[], Sent]) -> None:
        self.settings = settings
        self.digest = digest
        self.engine: Sent | None = None
        self._send = send
        self._error = ""
        self._asked: dict[str, Proving] = {}  # by name
        self._thread = threading.Thread(target=self._run, name="edgeseg-sending", daemon=True)
        self._thread.start()

    @property
    def is_sending(self) -> bool:
        """Whether nodes cannot fetch the engine yet."""
        return self._thread.is_alive()

    def verdict(self, ready: Mapping[str, Proving]) -> tuple[str, ...] | None:
        """Ask for proofs where there is none yet.

        Args:
            ready: the nodes that can run the engine in use, by name.

        Returns:
            None while a proof is missing, or no node is ready; why the engine is refused; or nothing, where
            every node that is ready, one at least, has proven it.
        """
        if self.is_sending:
            return None
        if self.engine is None:
            return (self._error,)
        for name, node in ready.items():
            if self._asked.get(name) is not node:
                self._asked[name] = node
                node.prove(self.engine, self.settings)
        if not ready:
            return (
                tuple(
                    f"{name}: was lost during the proof ({node.lost})"
                    for name, node in self._asked.items()
                    if node.lost
                )
                or None
            )
        if any(self.digest not in node.proven for node in ready.values()):
            return None
        return tuple(
            f"{name}: {reason}" for name, node in ready.items() if (reason := node.proven[self.digest])
        )

    def _run(self) -> None:
        try:
            self.engine = self._send()
        except EdgesegError as error:
            self._error = str(error)
        except Exception as error:  # of the disk, or Ray's own: the old engine goes on
            self._error = f"it cannot be sent to the nodes: {error}".partition("\n")[0]
