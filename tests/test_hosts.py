"""Addresses are spelt as URLs want them."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from edgeseg.hosts import with_port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "example.org"])
def test_a_url_has_the_host_and_the_port(host: str) -> None:
    found = urlsplit(f"http://{with_port(host, 8000)}/v2")
    assert (found.hostname, found.port) == (host, 8000)
