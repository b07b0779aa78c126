"""Elements: whatever a text holds, it is shown as text."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

from edgeseg.charts.elements import element, printable


def _html(*children: str, **attributes: str) -> str:
    return tostring(element("p", *children, **attributes), encoding="unicode", method="html")


def test_markup_in_a_text_is_text() -> None:
    assert _html("<script>alert(1)</script> & co") == "<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp; co</p>"


def test_an_attribute_cannot_be_left() -> None:
    assert _html(title='"><img src=x onerror=alert(1)>') == (
        '<p title="&quot;&gt;<img src=x onerror=alert(1)&gt;"></p>'
    )


def test_texts_and_elements_follow_each_other() -> None:
    made = element("p", "a", element("b", "c"), "d", "e")
    assert tostring(made, encoding="unicode", method="html") == "<p>a<b>c</b>de</p>"


def test_names_of_attributes() -> None:
    made = element("line", class_="grid", stroke_width=1.5, viewBox="0 0 1 1")
    assert made.attrib == {"class": "grid", "stroke-width": "1.5", "viewBox": "0 0 1 1"}


def test_what_is_not_seen_is_written_as_its_code() -> None:
    assert printable("a\x00b\nc") == "a\\u0000b c"
    assert printable("conv\u202egpj.exe") == "conv\\u202egpj.exe"
    assert printable("half \ud800") == "half \\ud800"


def test_letters_of_any_script_stay() -> None:
    assert printable("طبقة 層 слой") == "طبقة 層 слой"
