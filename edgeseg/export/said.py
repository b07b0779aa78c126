"""Say where each number of the preprocessing comes from: a file, the network, the user, or nobody."""

from __future__ import annotations

from collections.abc import Mapping

from edgeseg.models.network import DESCRIBED, Network

USER = "you"
NOBODY = "nobody, and is assumed"


def who_said(network: Network) -> dict[str, str]:
    """Name who says each field of the preprocessing that has a value."""
    return {
        field: network.said.get(field, NOBODY) for field in DESCRIBED if getattr(network, field) is not None
    }


def said_notes(said: Mapping[str, str]) -> list[str]:
    """Put what `who_said` gives into a line for each that says something; what the user said, they know.

    Args:
        said: field of `Network`, and who says it.
    """
    groups: dict[str, list[str]] = {}
    for field, who in said.items():
        if who == USER:
            continue
        groups.setdefault(who, []).append(DESCRIBED.get(field, field))
    return [f"{', '.join(fields)}: said by {who}" for who, fields in groups.items()]
