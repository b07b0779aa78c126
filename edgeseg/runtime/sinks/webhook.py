"""Send messages to a web server: one POST of JSON each."""

from __future__ import annotations

import base64
import http.client
import ssl
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from edgeseg.errors import SinkError, UsageError, one_line
from edgeseg.runtime.sinks.messages import RefusedError
from edgeseg.runtime.sources.address import without_password

TIMEOUT_S = 5.0  # to connect, and for each part of the answer
MOST_ANSWER = 64 << 10  # bytes that are read of an answer, so that the connection can be used again
OK, REDIRECT, CLIENT_FAULT, SERVER_FAULT = 200, 300, 400, 500
TRY_AGAIN = (408, 425, 429)  # of the client's faults, those that pass


class Webhook:
    """A web address that takes POST; user and password of the address go along as basic authentication.

    Redirects are not followed: a message never goes to another host than the one that was named. Certificates
    are checked.

    Raises:
        UsageError: if the address is malformed.
    """

    def __init__(self, address: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.name = without_password(address)
        self._timeout_s = timeout_s
        self._parts = _split(address, self.name)
        self._target = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        self._headers = {"Content-Type": "application/json", **_authentication(self._parts)}
        self._connection: http.client.HTTPConnection | None = None

    def send(self, data: bytes, /) -> None:
        """Post one message and wait for the answer; see `messages.Sender`."""
        try:
            status, reason = self._post(data)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise SinkError(
                f"{self.name} cannot be reached: {one_line(str(error) or 'no answer')}"
            ) from error
        if OK <= status < REDIRECT:
            return
        self.close()
        said = one_line(f"{self.name} answers {status} {reason}")
        if status >= SERVER_FAULT or status in TRY_AGAIN:
            raise SinkError(said)
        if status < CLIENT_FAULT:
            raise RefusedError(f"{said}; redirects are not followed: give the address it leads to")
        raise RefusedError(f"{said}; check address and password")

    def close(self) -> None:
        """Close the connection; the next message opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def _post(self, data: bytes) -> tuple[int, str]:
        is_new = self._connection is None
        if self._connection is None:
            self._connection = self._connect()
        try:
            self._connection.request("POST", self._target, body=data, headers=self._headers)
            answer = self._connection.getresponse()
        except (ConnectionError, http.client.BadStatusLine):
            if is_new:
                raise
            self.close()  # the server ended a connection that was idle: that is no failure of its
            return self._post(data)
        with answer:
            answer.read(MOST_ANSWER)
            if not answer.isclosed() or answer.will_close:
                self.close()
            return answer.status, answer.reason

    def _connect(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, self._parts.port, timeout=self._timeout_s, context=context
            )
        return http.client.HTTPConnection(host, self._parts.port, timeout=self._timeout_s)


def _split(address: str, name: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        valid = False
    if not valid or any(character <= " " or character > "~" for character in address):
        raise UsageError(
            f"{name} must be http(s)://[user:password@]host[:port]/path; escape what is special by %"
        )
    return parts._replace(scheme=parts.scheme.lower())


def _authentication(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"}
