"""Show what a user calls a source, or another address, without its secrets."""

from __future__ import annotations

import re

HIDDEN = "***"
GSTREAMER_PREFIX = "gst:"


def without_password(text: str) -> str:
    """Name an address, or any text that was meant as one, without what may be a password.

    The query goes, the options behind # do, and so does what follows an = in the path (recorders take
    `/user=me&password=...`). User and password become ***; all of the address does where it is not clear how
    far they reach, since / ? # @ : may stand in them unescaped. Of a GStreamer pipeline nothing is shown.
    """
    if text.lstrip().lower().startswith(GSTREAMER_PREFIX):
        return GSTREAMER_PREFIX
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    elif not re.fullmatch(r"[A-Za-z0-9+.-]*", scheme):  # what stands there is no scheme
        return HIDDEN
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    if "@" in rest:
        before, _, host = rest.rpartition("@")
        has_user = ":" in before or "@" in rest.partition("/")[0]
        is_clear = len(before) < len(head) and not re.search(r"/.*=", before, re.DOTALL)
        if has_user and not is_clear:
            return f"{scheme}{separator}{HIDDEN}"
        if has_user:
            head = f"{HIDDEN}@{re.split(r'[?#]', host, maxsplit=1)[0]}"
    return f"{scheme}{separator}" + re.sub(r"=.*", "=***", head, flags=re.DOTALL)
