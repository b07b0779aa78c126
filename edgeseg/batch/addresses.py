"""Turn the address of a store, such as `s3://bucket/videos?region=eu-west-1`, into its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeseg.errors import UsageError

# Options are such as ?region=eu-west-1&scheme=http; another question mark is a pattern's.
ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<root>[^/?]*)(?P<path>[^\0]*?)(?P<options>\?\w+=[^?]*)?",
    re.IGNORECASE,
)
# Schemes of fsspec that stand before another address: what they open lies within a file, or is a copy.
WRAPPERS = (
    "asyncwrapper", "async_wrapper", "blockcache", "cached", "dir", "filecache", "generic", "libarchive",
    "reference", "simplecache", "tar", "zip",
)  # fmt: skip
CHAIN = re.compile(rf"({'|'.join(WRAPPERS)})(://|::.*://)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Address:
    """What an address says.

    Attributes:
        scheme: in small letters, as which capitals are taken, too.
        store: what opens the store: the address without the path, with options and secrets.
        path: below what that opens.
    """

    scheme: str
    store: str
    path: str


def is_address(text: str) -> bool:
    """Tell an address from a path of this machine."""
    return bool(ADDRESS.fullmatch(text) or CHAIN.match(text))


def address_in(text: str) -> Address | None:
    """Read an address; None stands for a path of this machine.

    Raises:
        UsageError: if it is an address within another.
    """
    if (chain := CHAIN.match(text)) is not None:
        raise UsageError(
            f"addresses within others are not taken, as {chain[1]} has; give that of the files themselves, "
            "unpacked"
        )
    if (found := ADDRESS.fullmatch(text)) is None:
        return None
    scheme = found["scheme"].lower()
    return Address(scheme, f"{scheme}://{found['root']}{found['options'] or ''}", found["path"])
