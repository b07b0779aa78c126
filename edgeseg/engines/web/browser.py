"""Find Chromium, and let it show a page without a window."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edgeseg.errors import EngineError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
VARIABLE = "EDGESEG_BROWSER"
"""Of the environment: the path of another browser that is built on Chromium."""

MISSING = (
    "pages are proven in Chromium, which is not here; install it (Debian: apt-get install chromium), or name "
    f"one by {VARIABLE}"
)
ARGUMENTS = (
    "--headless=new",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-extensions",
    "--disable-sync",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
)
LEASH = ("sh", "-c", 'exec "$@" 3<&0 4>/dev/null </dev/null', "sh")
"""Of a command that follows: the browser hears us by its debugging pipe, tells nobody, and ends with us."""

_CLOSE_S = 10.0  # for a browser to end by itself


def find_browser() -> Path | None:
    """Give the browser that the user names, or the first that is installed.

    Raises:
        EngineError: if the user names one that is not there.
    """
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise EngineError(f"{VARIABLE} names {named}, which cannot be run; name a browser, or unset it")
        return Path(found)
    return next((Path(path) for name in NAMES if (path := shutil.which(name))), None)


def require_browser() -> Path:
    """Give the browser to prove pages in. Raises EngineError, with what to install, if there is none."""
    browser = find_browser()
    if browser is None:
        raise EngineError(MISSING)
    return browser


def version_of(browser: Path) -> str:
    """Say what a browser calls itself, as in `Chromium 156.0.8078.108`; nothing if it does not say."""
    with suppress(OSError):
        done = subprocess.run(
            [str(browser), "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return " ".join(done.stdout.split()[:2])
    return ""


class Browser:
    """Chromium with a page and a profile of its own.

    Args:
        address: of the page.
        more: further arguments.

    Raises:
        EngineError: if there is no browser, or it does not start.
    """

    def __init__(self, address: str, more: Sequence[str] = ()) -> None:
        executable = require_browser()
        self._profile = tempfile.mkdtemp(prefix="edgeseg-browser-")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the browser lives
        sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []  # root has none
        command = [str(executable), *ARGUMENTS, *sandbox, *more, f"--user-data-dir={self._profile}", address]
        if os.name == "posix":
            command = [*LEASH, command[0], "--remote-debugging-pipe", *command[1:]]
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # nothing is written; its end is ours
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,  # its own processes end with it, and an interrupt is for us to handle
            )
        except OSError as error:
            self._forget()
            raise EngineError(f"{executable} does not start: {error.strerror or error}") from error

    @property
    def id(self) -> int:
        """The number that the system gives its process."""
        return self._popen.pid

    def check(self) -> None:
        """Raise EngineError if it has ended."""
        status = self._popen.poll()
        if status is not None:
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            raise EngineError(f"the browser ended (status {status}): {(lines or ['it said nothing'])[-1]}")

    def close(self) -> None:
        """End it with all its processes, and remove its profile; closing twice is allowed."""
        if self._log.closed:
            return
        if hasattr(os, "killpg"):
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_CLOSE_S)
            self._signal(signal.SIGKILL)  # its helpers, too
        else:  # Windows
            self._popen.kill()
        self._popen.wait()
        self._forget(self._popen)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(OSError):
            os.killpg(self._popen.pid, number)

    def _forget(self, popen: subprocess.Popen[bytes] | None = None) -> None:
        self._log.close()
        if popen is not None and popen.stdin is not None:
            popen.stdin.close()
        shutil.rmtree(self._profile, ignore_errors=True)
