"""Open the stores that pyarrow knows itself: S3, Google Cloud Storage, HDFS, Azure."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from edgeseg.batch.rows import EXTRA
from edgeseg.extras import require

if TYPE_CHECKING:
    import pyarrow.fs

SCHEMES = frozenset(("abfs", "abfss", "gcs", "gs", "hdfs", "s3", "viewfs"))
# A small object is one request, of which nothing is left if it fails.
DELAYED_OPEN = "allow_delayed_open=true"


def opened_store(address: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Open a store; gives the path of what the address names, too. Raises OSError and ValueError."""
    from_uri = require("pyarrow.fs", EXTRA).FileSystem.from_uri
    told = _as_told(address)
    found: tuple[pyarrow.fs.FileSystem, str]
    if address.startswith("s3:"):
        with suppress(ValueError):  # of pyarrow before 20, which does not know the option
            found = from_uri(f"{told}{'&' if '?' in told else '?'}{DELAYED_OPEN}")
            return found
    found = from_uri(told)
    return found


def _as_told(address: str) -> str:
    """Add to an address of S3 the endpoint and region of AWS's own variables, which pyarrow does not read."""
    if not address.startswith("s3:"):
        return address
    options = dict(parse_qsl(address.partition("?")[2]))
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if endpoint.netloc:
        options = {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme, **options}
    if region:
        options.setdefault("region", region)
    return f"{address.partition('?')[0]}?{urlencode(options)}" if options else address
