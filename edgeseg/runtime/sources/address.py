"""Show the address of a camera without its secrets."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """Name a URL without what may be a password, also where / ? # or @ stand in it unescaped.

    The query goes, and what follows an = in the path (recorders take `/user=me&password=...`). User and
    password become ***; all of the URL does where it is not clear how far they reach.
    """
    scheme, _, rest = url.partition("://")
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority = head.partition("/")[0]
    if "@" in rest and ("@" in authority or ":" in authority):
        if "@" in rest[len(head) :]:
            return f"{scheme}://***"
        head = "***@" + head.rpartition("@")[2]
    return f"{scheme}://" + re.sub(r"=.*", "=***", head)
