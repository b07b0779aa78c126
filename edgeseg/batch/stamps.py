"""Tell files of fsspec's stores from what was there before: by time, or by what tells contents apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from edgeseg.batch.at_once import at_once

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


def files_of(store: Any, path: str) -> Iterator[tuple[str, int, int]]:
    """Give the file at a path, or all below it, each with its size in bytes and its stamp.

    A store whose listing tells no stamps is asked for each file, if that tells more.

    Args:
        store: fsspec's.
    """
    store.invalidate_cache()
    try:
        itself = store.info(path)
    except FileNotFoundError:
        itself = {}
    found: dict[str, Mapping[str, Any]]
    found = {path: itself} if itself.get("type") == "file" else dict(store.find(path, detail=True))
    bare = [name for name, info in found.items() if not stamp_of(info)]
    if bare and bare != [path] and stamp_of(store.info(bare[0])):
        found.update(zip(bare, at_once(store.info, bare), strict=True))
    for name, info in found.items():
        yield name, info.get("size") or 0, stamp_of(info)
