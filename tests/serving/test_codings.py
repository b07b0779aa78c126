"""Bodies that come compressed are what they were, within the limits; answers come as a client takes them."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.errors import UsageError
from edgeseg.limits import VARIABLE
from edgeseg.serving.codings import packed, taken, unpacked


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "deflate", "identity"]))
def test_what_is_packed_is_unpacked(data: bytes, coding: str) -> None:
    assert unpacked(packed(data, coding), coding) == data


def test_the_codings_are_those_of_other_programs() -> None:
    assert unpacked(gzip.compress(b"frame"), "gzip") == b"frame"
    assert unpacked(zlib.compress(b"frame"), "deflate") == b"frame"
    assert gzip.decompress(packed(b"labels", "gzip")) == b"labels"
    assert zlib.decompress(packed(b"labels", "deflate")) == b"labels"


@pytest.mark.parametrize(
    ("data", "coding", "reason"),
    [
        (gzip.compress(b"frame")[:-5], "gzip", "it ends too early"),
        (b"frame", "gzip", "no whole gzip data"),
        (b"frame", "br", "the coding 'br' is not one of gzip, deflate"),
    ],
)
def test_what_is_damaged_is_refused_with_the_reason(data: bytes, coding: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        unpacked(data, coding)


def test_what_unpacks_to_more_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "bytes=1m")
    with pytest.raises(UsageError, match="at most 1 MiB are allowed"):
        unpacked(gzip.compress(bytes(8 << 20)), "gzip")


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", "identity"),
        ("gzip, deflate, br", "gzip"),
        ("Deflate", "deflate"),
        ("gzip;q=0, deflate;q=0.5", "deflate"),
        ("gzip; q=0", "identity"),
        ("br, *", "identity"),
    ],
)
def test_an_answer_is_packed_only_as_its_client_takes_it(header: str, coding: str) -> None:
    assert taken(header) == coding
