"""Run a page of an engine's folder in a browser, and ask it things."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from edgeseg.engines.web.browser import Browser
from edgeseg.engines.web.channel import Answer, Channel
from edgeseg.errors import EngineError

PROOF_PAGE = "proof.html"
NAMES = {"wasm": "WASM", "webgpu": "WebGPU"}
_VERSION = re.compile(r"(?:Headless)?(Chrome)/([\d.]+)")  # in what a browser says of itself


class Page:
    """A browser with a page of ours, and the server that it has it from; one question at a time.

    Args:
        read: gives a file of the engine's folder by its name.
        own: files besides.
        arguments: further ones of the browser's.

    Raises:
        EngineError: if there is no browser.
    """

    def __init__(
        self, read: Callable[[str], bytes], own: Mapping[str, bytes], arguments: Sequence[str] = ()
    ) -> None:
        self._channel = Channel(read, own)
        try:
            self._browser = Browser(self._channel.address(PROOF_PAGE), arguments)
        except BaseException:
            self._channel.close()
            raise
        self._end = weakref.finalize(self, _end, self._browser, self._channel)
        self.computes_in = ""
        self.provider = ""
        self.notes: tuple[str, ...] = ()

    def open(self, provider: str, threads: int) -> None:
        """Open the network; says afterwards what computes. Raises EngineError."""
        state, _ = self.ask("open", provider=provider, threads=threads)
        self.provider, self.notes = state["provider"], tuple(state["notes"])
        found = _VERSION.search(state["browser"])
        browser = f"Chromium {found[2].partition('.')[0]}" if found else str(state["browser"])
        count = state["threads"]
        threaded = f" with {count} thread{'s' if count > 1 else ''}" if provider != "webgpu" else ""
        self.computes_in = f"{browser}, {NAMES[self.provider]}{threaded}"

    def ask(self, kind: str, payload: bytes = b"", **values: Any) -> Answer:
        """Ask the page; see proof.js for what.

        Raises:
            EngineError: if it fails, or is gone.
        """
        if not self._end.alive:
            raise EngineError("its browser ended; open the engine again")
        try:
            answer = self._channel.ask(kind, payload, values, self._browser.check)
        except BaseException:  # interrupted, or given up: what comes later is no answer to the next
            self.close()
            raise
        if "error" in answer.values:
            raise EngineError(str(answer.values["error"]))
        return answer

    @property
    def process_id(self) -> int:
        """The system's number of the browser's process."""
        return self._browser.id

    def close(self) -> None:
        """End the browser; closing twice is allowed."""
        self._end()

    def forked(self) -> None:
        """Leave the browser to the parent of this process."""
        self._end.detach()


def _end(browser: Browser, channel: Channel) -> None:
    browser.close()
    with suppress(OSError):
        channel.close()
