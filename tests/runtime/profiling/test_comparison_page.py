"""The page of a comparison: which engine is faster, and where the run does not tell."""

from __future__ import annotations

from edgeseg.runtime.profiling.comparison_page import comparison_page

from .full_profiles import comparison_of

NAMES = ("unet-int8", "unet-int8 (2)", "unet-fp32")


def test_it_says_which_is_faster_and_where_there_is_no_difference() -> None:
    text = comparison_page(comparison_of(first=1.0, again=1.0, slow=1.3), NAMES)
    assert "1  unet-int8 and unet-int8 (2)" in text
    assert text.count(">no difference<") == 2  # capture to result, and inference alone
    assert "unet-int8 1.30 times as fast" in text
    assert "unet-int8 (2) 1.30 times as fast" in text
    assert "200 rounds" in text


def test_the_faster_one_is_named_whichever_comes_first() -> None:
    assert "b 1.50 times as fast" in comparison_page(comparison_of(slow=1.5, quick=1.0), ("a", "b"))


def test_names_are_text() -> None:
    text = comparison_page(comparison_of(a=1.0, b=2.0), ("<script>", "&"))
    assert "<script>" not in text
    assert "1  &lt;script&gt; and &amp;" in text
