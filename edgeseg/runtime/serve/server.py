"""Run the page's server in a thread of its own, within bounds that no client can exceed."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from edgeseg.errors import UsageError
from edgeseg.extras import require
from edgeseg.hosts import with_port
from edgeseg.runtime.serve.app import Served, application
from edgeseg.runtime.serve.connection import bounded_protocol
from edgeseg.runtime.serve.guard import Guard, check_host, names_of_this_machine

MOST_CONNECTIONS = 64  # more are answered with 503
MOST_HEADER_BYTES = 16 << 10
KEEP_ALIVE_S = 5  # of a connection without a request, which is cut at the second look of connection.py
GRACE_S = 1  # for requests that are under way at the end
START_S = 10.0
CLOSE_S = 2.0
LEAST_TOKEN = 16  # characters


class Server:
    """Serves a site's page; a context manager that listens from its making on.

    Anyone on this machine may look where it listens on a loopback address; elsewhere a client has to show a
    token, which is made and told once unless a file holds it.

    Args:
        host: 127.0.0.1 is this machine alone; any other address takes a token.
        port: 0 for any that is free.
        token_file: holds the token; None stands for one that is made where it takes one.
        hosts: names by which a reverse proxy asks for it; whoever comes by one has to show a token, too.
        tell: takes the one line with the address, and with the token where it was made.

    Attributes:
        address: of the page, such as `http://127.0.0.1:8080/`.
        token: that clients have to show; None where none is asked for.

    Raises:
        MissingExtraError: if the extra `serve` is not installed.
        UsageError: if the address cannot be listened on, or the token's file cannot be used.
    """

    def __init__(
        self,
        site: Served,
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        token_file: str | None = None,
        hosts: Sequence[str] = (),
        tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    ) -> None:
        uvicorn = require("uvicorn", "serve")
        for name in hosts:
            check_host(name)
        self.token = _token(token_file, is_needed=bool(hosts) or not _is_loopback(host))
        self._site = site
        app = application(site)
        self._socket = _listen(host, port)
        self.address = f"http://{with_port(host, self._socket.getsockname()[1])}/"
        guard = Guard(
            app,
            hosts=(*names_of_this_machine(host), *hosts),
            token=self.token,
            cookie=f"edgeseg-{self._socket.getsockname()[1]}",
        )
        config = uvicorn.Config(
            guard,
            http=bounded_protocol(),
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server: Any = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="edgeseg-page", daemon=True)
        made = self.token is not None and token_file is None
        self._line = f"page: {self.address}" + (f" token: {self.token}" if made else "")
        self._tell = tell

    def __enter__(self) -> Server:
        self._thread.start()
        deadline_s = time.monotonic() + START_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        self._tell(self._line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """Ask it to end what clients wait for, without waiting."""
        self._site.closing = True
        self._server.should_exit = True

    def close(self) -> None:
        """End what clients wait for, and stop listening; takes CLOSE_S at most."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        self._site.encoder.shutdown(wait=False, cancel_futures=True)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def read_token(path: Path) -> str:
    """Read the token that clients have to show. Raises UsageError if the file cannot be used."""
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the token in {path}: {getattr(error, 'strerror', None) or error}"
        ) from error
    if len(token) < LEAST_TOKEN or not token.isascii():
        raise UsageError(
            f"the token in {path} must have {LEAST_TOKEN} characters of ASCII or more; make one: "
            f"openssl rand -hex 16 > {path}"
        )
    return token


def _token(file: str | None, *, is_needed: bool) -> str | None:
    """Give the token that clients have to show: the file's, or a new one where it is needed, else None."""
    if file is not None:
        return read_token(Path(file))
    return secrets.token_urlsafe(24) if is_needed else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {with_port(host, port)}: {error.strerror or error}; "
            "choose another with --serve [HOST:]PORT"
        ) from error
