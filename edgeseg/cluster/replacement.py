"""Prove another engine on the nodes that run cameras, and say whether it may take over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edgeseg.errors import EdgesegError
from edgeseg.runtime.settings import SiteSettings


class Proving(Protocol):
    """A node, as far as a replacement knows it."""

    lost: str
    proven: dict[str, str]

    def prove(self, digest: str, package: Any, settings: SiteSettings) -> None:
        """Begin a proof; `proven` says how it went."""


class Replacement:
    """Another engine on its way: packed beside all else, then proven on every node that is ready.

    Args:
        settings: that hold with it.
        digest: of the engine.
        pack: gives what nodes fetch; is called in a thread, as it may take seconds.

    Attributes:
        package: what `pack` gave; None before.
    """

    def __init__(self, settings: SiteSettings, digest: str, pack: Callable[[], Any]) -> None:
        self.settings = settings
        self.digest = digest
        self.package: Any = None
        self._pack = pack
        self._error = ""
        self._asked: dict[str, Proving] = {}  # by name
        self._thread = threading.Thread(target=self._run, name="edgeseg-packing", daemon=True)
        self._thread.start()

    @property
    def is_packing(self) -> bool:
        """Whether the engine is still packed."""
        return self._thread.is_alive()

    def verdict(self, ready: Mapping[str, Proving]) -> tuple[str, ...] | None:
        """Ask for proofs where there is none yet.

        Args:
            ready: the nodes that can run the engine in use, by name.

        Returns:
            None while a proof is missing, or no node is ready; why the engine is refused; or nothing, where
            every node that is ready, one at least, has proven it.
        """
        if self.is_packing:
            return None
        if self._error:
            return (self._error,)
        for name, node in ready.items():
            if self._asked.get(name) is not node:
                self._asked[name] = node
                node.prove(self.digest, self.package, self.settings)
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
            self.package = self._pack()
        except EdgesegError as error:
            self._error = str(error)
        except Exception as error:  # of the disk, or Ray's own: the old engine goes on
            self._error = f"it cannot be sent to the nodes: {error}".partition("\n")[0]
