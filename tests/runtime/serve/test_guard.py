from __future__ import annotations

from typing import Any

import pytest

from edgeseg.runtime.serve.guard import Guard

TOKEN = "a-token-of-some-length"


async def _inner(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


def _client(token: str | None = None, base_url: str = "http://localhost:8080") -> Any:
    client = pytest.importorskip("starlette.testclient", reason="needs starlette and httpx")
    guarded = Guard(_inner, hosts=["edge-7"], token=token)
    return client.TestClient(guarded, base_url=base_url, follow_redirects=False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:80", "192.168.1.7:8080", "EDGE-7"])
def test_own_names_and_addresses_are_answered(host: str) -> None:
    assert _client().get("/api/site", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""])
def test_a_name_that_somebody_points_here_is_refused(host: str) -> None:
    assert _client().get("/api/site", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_what_another_sites_page_asks_for_is_refused(headers: dict[str, str]) -> None:
    assert _client().get("/api/streams", headers=headers).status_code == 403


def test_the_page_itself_may_ask_and_a_link_to_it_may_be_followed() -> None:
    client = _client()
    own = {"origin": "http://localhost:8080", "sec-fetch-site": "same-origin"}
    assert client.get("/api/streams", headers=own).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200


def test_answers_forbid_frames_foreign_scripts_and_guessing_of_types() -> None:
    headers = _client().get("/").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(method: str) -> None:
    assert _client().request(method, "/api/streams").status_code == 405


def test_requests_bring_no_bodies() -> None:
    assert _client().request("GET", "/", content=b"x").status_code == 413
    assert _client(TOKEN).post("/login", content=b"x" * 5000).status_code == 413
    assert _client().request("GET", "/", content=iter([b"x"])).status_code == 413  # chunked


def test_without_the_token_only_the_shell_of_the_page_and_health_are_shown() -> None:
    client = _client(TOKEN)
    for path in ("/api/site", "/api/streams", "/metrics", "/api/streams/a/picture.jpg", "/api/openapi.json"):
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401, path
        assert client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200, path
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200


def test_logging_in_gives_a_cookie_that_is_not_the_token() -> None:
    client = _client(TOKEN)
    answer = client.post("/login", data={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/api/site").status_code == 200  # the client keeps the cookie


@pytest.mark.parametrize("shown", ["", "wrong", TOKEN + "x", "ü"])
def test_a_wrong_token_gives_no_cookie(shown: str) -> None:
    client = _client(TOKEN)
    answer = client.post("/login", data={"token": shown})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?wrong")
    assert "set-cookie" not in answer.headers
    assert client.get("/api/site", headers={"cookie": "edgeseg=" + "0" * 64}).status_code == 401
    assert client.get("/api/site", headers={"cookie": "edgeseg"}).status_code == 401
