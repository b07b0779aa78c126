"""What is asked of a stream becomes its filters, or is refused."""

from __future__ import annotations

import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.filters import ClassFilter, LabelSmoothing, RegionFilter, Tracker, make_filters
from edgeseg.runtime.settings import StreamSettings
from tests.runtime.fakes import INSTANCE, SEMANTIC

REGION = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))


def test_a_stream_that_asks_for_nothing_has_none() -> None:
    assert make_filters(StreamSettings("0"), SEMANTIC) == ()


def test_what_is_left_out_is_neither_steadied_nor_tracked() -> None:
    settings = StreamSettings("0", classes=("background",), region=REGION, smooth=True)
    assert [type(one) for one in make_filters(settings, SEMANTIC)] == [
        ClassFilter,
        RegionFilter,
        LabelSmoothing,
    ]
    tracked = make_filters(StreamSettings("0", region=REGION, track=True), INSTANCE)
    assert [type(one) for one in tracked] == [RegionFilter, Tracker]


def test_each_stream_has_its_own() -> None:
    settings = StreamSettings("0", track=True)
    assert make_filters(settings, INSTANCE) != make_filters(settings, INSTANCE)


def test_what_does_not_fit_the_engine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--smooth .* this one gives instances; use --track"):
        make_filters(StreamSettings("0", smooth=True), INSTANCE)
    with pytest.raises(UsageError, match=r"--track .* semantic labels; use --smooth"):
        make_filters(StreamSettings("0", track=True), SEMANTIC)
    with pytest.raises(UsageError, match="no class 'brigth'; did you mean 'bright'"):
        make_filters(StreamSettings("0", classes=("brigth",)), SEMANTIC)
    with pytest.raises(UsageError, match="at least 3 corners"):
        make_filters(StreamSettings("0", region=REGION[:2]), SEMANTIC)
