"""Turn what a user calls a source into a feed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Union

from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.settings import DEFAULT_STALL_TIMEOUT_S
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.address import without_password
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.status import SourceStatus
from edgeseg.runtime.streams.feed import OPEN_TIMEOUT_S, Feed
from edgeseg.runtime.streams.inbox import Policy
from edgeseg.spec import InputSpec

SourceLike = Union[Source, str, "os.PathLike[str]"]


def feed_of(
    source: SourceLike,
    name: str = "",
    *,
    taken: InputSpec | None = None,
    policy: Policy | None = None,
    stall_timeout_s: float = DEFAULT_STALL_TIMEOUT_S,
    times: StageTimes | None = None,
    on_frame: Callable[[], None] | None = None,
    on_state: Callable[[SourceStatus], None] | None = None,
) -> Feed:
    """Make the feed of a source.

    Args:
        source: what `open_source` takes, opened in the feed's own thread, again and again where it is live;
            or a Source, which is not opened again and stays open.
        taken: the network's input, see `open_source`.
        name, policy, stall_timeout_s, times, on_frame, on_state: as for `Feed`.
    """
    if isinstance(source, Source):
        return Feed(
            name,
            lambda: source,
            lasts=False,
            address=source.name,
            policy=policy,
            stall_timeout_s=stall_timeout_s,
            times=times,
            on_frame=on_frame,
            on_state=on_state,
        )
    text = os.fspath(source)
    return Feed(
        name,
        lambda: open_source(text, taken),
        address=without_password(text),
        policy=policy,
        stall_timeout_s=stall_timeout_s,
        open_timeout_s=None if _is_stored(text) else OPEN_TIMEOUT_S,
        times=times,
        on_frame=on_frame,
        on_state=on_state,
    )


def _is_stored(text: str) -> bool:
    """Tell a file or folder, which may take as long as it likes: a large one on a slow disk."""
    try:
        path = Path(text)
        return path.is_file() or path.is_dir()
    except (OSError, ValueError):
        return False  # opening it says what is wrong
