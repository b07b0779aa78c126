"""Turn an engine's outputs for one frame into the result that its stream keeps."""

from __future__ import annotations

import time
from collections.abc import Sequence

from edgeseg.frames.results import Result
from edgeseg.runtime.filters import Filter
from edgeseg.runtime.streams.batch import Item


def result_of(item: Item, filters: Sequence[Filter]) -> Result:
    """Bring a frame's outputs to its pixels, and let the filters change the result; note what both took."""
    assert item.placement is not None
    segmenter = item.segmenter
    began_s = time.monotonic()
    result: Result = segmenter.finish(item.outputs, item.placement, item.frame.image)
    item.note(segmenter.finish_stage, time.monotonic() - began_s)
    if filters:
        began_s = time.monotonic()
        for each in filters:
            result = each(item.frame, result)
        item.note("filter", time.monotonic() - began_s)
    return result
