"""Tell files of fsspec's stores from what was there before: by time, or by what tells contents apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

NS_PER_S, NS_PER_US, US_PER_S = 1_000_000_000, 1_000, 1_000_000
STAMP_BYTES = 7  # so that a stamp fits where times are
# What stores call it, in small letters without - and _, the best first: what is made of contents, then times.
TELLING = (
    "etag", "contentmd5", "md5", "md5hash", "digest", "checksum", "sha256", "sha", "blobid", "oid", "crc32c",
    "crc", "generation", "versionid", "lastmodified", "modified", "modify", "updated", "timemodified",
    "datetime", "created",
)  # fmt: skip


def stamp_of(info: Mapping[str, Any]) -> int:
    """Give a number that changes with a file: its `mtime` in ns where it has one, 0 where nothing tells.

    Args:
        info: of a file, as fsspec's stores give it.
    """
    time = info.get("mtime")
    if isinstance(time, datetime):
        return round(time.timestamp() * US_PER_S) * NS_PER_US  # which a float holds exactly
    if isinstance(time, int | float) and time:
        return round(time * NS_PER_S)
    plain = {re.sub("[-_]", "", key).lower(): value for key, value in info.items()}
    told = next((f"{key} {plain[key]}" for key in TELLING if plain.get(key)), None)
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:STAMP_BYTES], "big") if told else 0
