"""Let in who may look: the right host, no other site's pages, and the token where one is asked for."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from edgeseg.errors import UsageError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
MOST_BODY_BYTES = 1024  # a token in a form
BODY_S = 5.0  # for it to come
OPEN_PATHS = frozenset(("/", "/healthz", "/login"))  # without a token: they show nothing
PUBLIC_ASSETS = "/assets/"
HEADERS = (
    (b"content-security-policy",
     b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
     b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)  # fmt: skip


class Guard:
    """An ASGI application around another: refuses what should not reach it, and adds headers to its answers.

    A page of another site that resolves its own name to this machine (DNS rebinding) names itself in Host;
    one that sends requests from a visitor's browser shows in Origin or Sec-Fetch-Site. Addresses in numbers
    are no names that anyone could point elsewhere.

    Args:
        hosts: names by which this machine is called, beside `localhost` and its addresses.
        token: what a client must show; None for nothing.
        cookie: name of what a browser keeps in its place; all ports of a host share their cookies.
    """

    def __init__(
        self, app: App, *, hosts: Iterable[str] = (), token: str | None = None, cookie: str = "edgeseg"
    ) -> None:
        self._app = app
        self._cookie = cookie
        self._hosts = frozenset(name.lower() for name in (*LOCAL_NAMES, *hosts))
        self._token = token
        self._salt = secrets.token_bytes(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fault = self._fault(scope)
        if fault is not None:
            await _answer(send, *fault)
        elif scope["path"] == "/login" and self._token is not None:
            await self._login(receive, send)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _fault(self, scope: Scope) -> tuple[int, str] | None:
        """Say with which status and text a request is refused; None if it may pass."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self._knows(host):
            return 421, "this host name is not served here; use localhost or the machine's address"
        if _is_foreign(headers, host, scope["path"]):
            return 403, "requests from other sites are refused"
        is_login = scope["method"] == "POST" and scope["path"] == "/login"
        if scope["method"] not in ("GET", "HEAD") and not is_login:
            return 405, "only GET"
        length = headers.get("content-length", "0")
        if (
            "transfer-encoding" in headers
            or not length.isdecimal()
            or int(length) > MOST_BODY_BYTES * is_login
        ):
            return 413, "a request has no body here"
        if not self._may_pass(scope["path"], headers):
            return 401, "show the token: Authorization: Bearer TOKEN, or log in on the page"
        return None

    def _knows(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if name.lower() in self._hosts:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _may_pass(self, path: str, headers: dict[str, str]) -> bool:
        if self._token is None or path in OPEN_PATHS or path.startswith(PUBLIC_ASSETS):
            return True
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(shown.strip()):
            return True
        return hmac.compare_digest(_cookie(headers.get("cookie", ""), self._cookie), self._pass())

    def _is_token(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode(), (self._token or "").encode())

    def _pass(self) -> str:
        """Make what a browser keeps in place of the token; it is good until the server ends."""
        return hashlib.sha256(self._salt + (self._token or "").encode()).hexdigest()

    async def _login(self, receive: Receive, send: Send) -> None:
        try:
            body = await asyncio.wait_for(_body(receive), BODY_S)
        except asyncio.TimeoutError:
            await _answer(send, 408, "the token did not come in time", [(b"connection", b"close")])
            return
        shown = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        if not self._is_token(shown.strip()):
            await _answer(send, 303, "", [(b"location", b"/?wrong")])
            return
        cookie = f"{self._cookie}={self._pass()}; HttpOnly; SameSite=Strict; Path=/"
        await _answer(send, 303, "", [(b"location", b"/"), (b"set-cookie", cookie.encode())])


def names_of_this_machine(host: str) -> tuple[str, ...]:
    """Give the names by which clients may call this machine, beside `localhost` and addresses."""
    own = socket.gethostname().lower()
    return host, own, f"{own}.local"


def check_host(name: str) -> None:
    """Raise UsageError unless it is the name of a host, as it stands in an address."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", name):
        raise UsageError(
            f"a host is a name such as cameras.example.org, without scheme, port or path, got {name!r}"
        )


def _is_foreign(headers: dict[str, str], host: str, path: str) -> bool:
    """Whether another site's page sends the request; following a link to the page is allowed."""
    site = headers.get("sec-fetch-site", "none")
    is_visit = headers.get("sec-fetch-mode") == "navigate" and path == "/"
    if site not in ("same-origin", "none") and not is_visit:
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != host.lower()


async def _body(receive: Receive) -> bytes:
    body = b""
    while len(body) <= MOST_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel is not None and morsel.value.isascii() else ""


def _with_headers(send: Send) -> Send:
    async def send_more(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *HEADERS]
        await send(message)

    return send_more


async def _answer(send: Send, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    body = (text + "\n").encode() if text else b""
    kind = (b"content-type", b"text/plain; charset=utf-8")
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status}
    await _with_headers(send)({**start, "headers": [kind, length, *headers]})
    await send({"type": "http.response.body", "body": body})
