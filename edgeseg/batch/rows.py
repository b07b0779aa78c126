"""Turn results into rows of a table: one a frame, with its objects or classes, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeseg.extras import require
from edgeseg.frames.results import Result, SemanticResult
from edgeseg.runtime.frame import Frame

if TYPE_CHECKING:
    import pyarrow

EXTRA = "scale"
SCHEMA_KEY, SOURCES_KEY = b"edgeseg.batch", b"edgeseg.sources"  # of a table's metadata
Row = Mapping[str, Any]


def schema() -> pyarrow.Schema:
    """Describe a row.

    `source` is the file's name in the archive; `index` the frame's place in it, null where the file gave
    none; `sample` what a shard calls it; `page` the picture's number in a file of several; `media_s` the
    frame's time in a video; `height` and `width` in pixels; `error` why a frame, or all of a file, is
    missing, else null. `objects` are those found, best first, or the classes that occur: `area` in pixels,
    `rle` as COCO encodes masks (`size` is height and width), and of instances `score` and `bbox`, xywh in
    pixels.
    """
    pa = require("pyarrow", EXTRA)
    rle = pa.struct([("size", pa.list_(pa.int32(), 2)), ("counts", pa.string())])
    found = pa.struct(
        [
            ("class_id", pa.int32()),
            ("class_name", pa.string()),
            ("score", pa.float32()),
            ("bbox", pa.list_(pa.float32(), 4)),
            ("area", pa.int64()),
            ("rle", rle),
        ]
    )
    return pa.schema(
        [
            ("source", pa.string()),
            ("index", pa.int64()),
            ("sample", pa.string()),
            ("page", pa.int32()),
            ("media_s", pa.float64()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("error", pa.string()),
            ("objects", pa.list_(found)),
        ]
    )


def times_schema() -> pyarrow.Schema:
    """Describe how long a frame took: milliseconds from reading it to its row; see `schema` for the rest."""
    pa = require("pyarrow", EXTRA)
    return pa.schema([("source", pa.string()), ("index", pa.int64()), ("latency_ms", pa.float32())])


def row_of(
    source: str,
    index: int,
    frame: Frame,
    result: Result,
    class_names: Sequence[str],
    *,
    sample: str | None = None,
) -> Row:
    """Describe a frame and what was found in it."""
    height, width = frame.image.shape[:2]
    names = dict(enumerate(class_names))
    items = result.to_segments() if isinstance(result, SemanticResult) else result.to_coco()
    areas = None if isinstance(result, SemanticResult) else [int(crop.mask.sum()) for crop in result.crops()]
    return {
        "source": source,
        "index": index,
        "sample": sample,
        "page": frame.page,
        "media_s": frame.media_s,
        "height": height,
        "width": width,
        "error": None,
        "objects": [
            {
                "class_id": item["category_id"],
                "class_name": names.get(item["category_id"]),
                "score": item.get("score"),
                "bbox": item.get("bbox"),
                "area": item.get("area") if areas is None else areas[place],
                "rle": item["segmentation"],
            }
            for place, item in enumerate(items)
        ],
    }


def error_row(source: str, error: str, index: int | None = None, sample: str | None = None) -> Row:
    """Say why a file, a sample of it, or a part, gave no result."""
    text = error.encode(errors="backslashreplace").decode()  # it may hold a name
    return {"source": source, "index": index, "sample": sample, "error": text, "objects": []}
