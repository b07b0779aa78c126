"""Make elements of HTML and SVG, in which every text is shown as text."""

from __future__ import annotations

import unicodedata
from xml.etree.ElementTree import Element

Child = Element | str

# Control characters, halves of characters, and marks that turn the direction of what follows.
_SHOWN_AS_CODES = frozenset(("Cc", "Cs"))
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def element(tag: str, *children: Child, **attributes: str | float) -> Element:
    """Make an element.

    Args:
        children: elements, and texts, which are escaped when the page is written.
        attributes: by name; `class_` is class, and an underscore within a name a hyphen.
    """
    made = Element(tag, {_attribute(name): _value(value) for name, value in attributes.items()})
    for child in children:
        _append(made, child)
    return made


def printable(text: str) -> str:
    """Replace what a reader cannot see by its code, such as `\\u202e`: a layer may be named anything."""
    return "".join(_character(character) for character in text)


def _append(parent: Element, child: Child) -> None:
    if isinstance(child, Element):
        parent.append(child)
    elif len(parent):
        parent[-1].tail = (parent[-1].tail or "") + printable(child)
    else:
        parent.text = (parent.text or "") + printable(child)


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else f"{value:.4f}".rstrip("0").rstrip(".")


def _character(character: str) -> str:
    if character in "\n\t":
        return " "
    if character in _DIRECTIONS or unicodedata.category(character) in _SHOWN_AS_CODES:
        return f"\\u{ord(character):04x}"
    return character
