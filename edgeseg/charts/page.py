"""Put sections into one HTML page that asks nothing of anybody: no script, no picture, no request."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from xml.etree.ElementTree import Element, tostring

from edgeseg.charts.elements import Child, element

STYLE_SHEET = "assets/page.css"
NOTHING_ELSE = "img-src data:; base-uri 'none'; form-action 'none'"


def section(heading: str, *content: Child) -> Element:
    """Put content under a heading."""
    return element("section", element("h2", heading), *content)


def page(title: str, *content: Child) -> str:
    """Give the text of the page.

    Its Content-Security-Policy has a browser load nothing but the style sheet within it, which it names
    by its hash, and run nothing at all.
    """
    style = files("edgeseg.charts").joinpath(STYLE_SHEET).read_text(encoding="utf-8")
    style_hash = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; {NOTHING_ELSE}"
    sheet = Element("style")
    sheet.text = style  # which HTML does not escape
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),  # else a browser asks the server for one
        element("title", title),
        sheet,
    )
    body = element("body", element("main", element("h1", element("bdi", title)), *content))
    document = element("html", head, body, lang="en")
    return f"<!DOCTYPE html>\n{tostring(document, encoding='unicode', method='html')}\n"
