"""The page: it asks nothing of anybody, and shows its sections."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from edgeseg.charts.chart import TONES
from edgeseg.charts.elements import element
from edgeseg.charts.page import page, section
from edgeseg.charts.table import MANY_COLUMNS, MOST_COLUMNS


def test_its_policy_admits_its_own_style_sheet_alone() -> None:
    text = page("engine")
    style = re.search(r"<style>(.*)</style>", text, re.DOTALL)
    assert style is not None
    allowed = b64encode(sha256(style[1].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith(f"default-src 'none'; style-src 'sha256-{allowed}'")


def test_it_names_no_address_and_has_no_script() -> None:
    text = page("engine", section("Latency", element("p", "fast")))
    assert "//" not in text
    assert "<script" not in text
    assert "url(" not in text


def test_what_it_is_given_is_text() -> None:
    text = page("<b>engine", section("</style><script>", "&amp;"))
    assert "<title>&lt;b&gt;engine</title>" in text
    assert "<h2>&lt;/style&gt;&lt;script&gt;</h2>&amp;amp;" in text


def test_its_style_sheet_has_what_charts_and_tables_use() -> None:
    text = page("engine")
    assert all(f".tone-{tone} " in text for tone in range(TONES))
    assert all(f".columns-{count} " in text for count in range(MANY_COLUMNS, MOST_COLUMNS + 1))
