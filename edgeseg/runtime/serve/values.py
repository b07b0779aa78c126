"""Say how streams are doing in values for JSON: what the API answers, with times in seconds from now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from edgeseg.records import to_json_value
from edgeseg.runtime.status import StreamStatus
from edgeseg.spec import ModelSpec


def stream_value(status: StreamStatus) -> dict[str, Any]:
    """Give one stream's status; times on the monotonic clock become seconds from now."""
    value: dict[str, Any] = to_json_value(status)
    source, now_s = value["source"], time.monotonic()
    source["for_s"] = round(max(0.0, now_s - source.pop("since_s")), 1)
    next_s = source.pop("next_attempt_s")
    source["next_attempt_in_s"] = None if next_s is None else round(max(0.0, next_s - now_s), 1)
    return value


def site_value(spec: ModelSpec, names: Sequence[str]) -> dict[str, Any]:
    """Give what a page has to know beforehand: task, classes with colours, streams."""
    colours = ["#" + bytes(colour).hex() for colour in spec.palette_rgb]
    return {
        "task": spec.task,
        "classes": [
            {"id": i, "name": name, "colour": colour}
            for i, (name, colour) in enumerate(zip(spec.class_names, colours, strict=True))
        ],
        "streams": list(names),
    }
