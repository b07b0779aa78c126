"""Spell where something listens."""

from __future__ import annotations


def with_port(host: str, port: int) -> str:
    """Give HOST:PORT as it stands in a URL: addresses of IPv6 are in brackets there."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
