"""Find the line of each key in the text of a TOML file, which `tomllib` does not tell.

The grammar is that of https://toml.io/en/v1.0.0; the text is one that `tomllib` has read, so that what is
wrong in it need not be found here.
"""

from __future__ import annotations

import re

from edgeseg.runtime.site.faults import KeyPath
from edgeseg.runtime.site.toml import loads

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")  # between values: also comments and ends of lines
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""")
_TEXT = re.compile(  # several lines first; up to two quotes may stand before the three that close them
    r'''"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:[^"\\]|\\.)*"|'[^']*\'''', re.DOTALL
)
_PLAIN = re.compile(r"[^,\]}#\r\n]*")  # numbers, times, true and false


def lines_of_keys(text: str) -> dict[KeyPath, int]:
    """Give the line, from 1, on which each key of a valid TOML text stands first, and each item of an array.

    Headers count as keys: of `[[streams]]` the second is the path `("streams", 1)`.
    """
    return _Scan(text).lines


class _Scan:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._counted = (0, 1)  # a position, and its line
        self._sizes: dict[KeyPath, int] = {}  # of arrays of tables, by path
        table: KeyPath = ()
        while self._skip(_BLANK) < len(text):
            table = self._header() if text[self._at] == "[" else self._pair(table)

    def _header(self) -> KeyPath:
        """Read `[a.b]` or `[[a.b]]` and give the path of the table that it begins."""
        is_item = self._text.startswith("[[", self._at)
        self._at += 2 if is_item else 1
        keys = self._keys()
        self._at += 2 if is_item else 1
        path: KeyPath = ()
        for place, key in enumerate(keys, start=1):
            path = (*path, key)
            self._mark(path)
            if is_item and place == len(keys):
                self._sizes[path] = self._sizes.get(path, 0) + 1
            if path in self._sizes:  # a header speaks of the last table so far
                path = (*path, self._sizes[path] - 1)
                self._mark(path)
        return path

    def _pair(self, table: KeyPath) -> KeyPath:
        """Read `a.b = value` and give the table that it stands in."""
        path = table
        for key in self._keys():
            path = (*path, key)
            self._mark(path)
        self._at += 1  # =
        self._skip(_SPACE)
        self._value(path)
        return table

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            raw = self._take(_KEY)
            keys.append(next(iter(loads(f"{raw} = 0"))) if raw[0] in "\"'" else raw)
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._take(_TEXT)
        elif first == "[":
            self._items("]", path)
        elif first == "{":
            self._items("}", path)
        else:
            self._take(_PLAIN)

    def _items(self, end: str, path: KeyPath) -> None:
        """Read the items of an array, or the pairs of an inline table."""
        self._at += 1
        index = 0
        while self._skip(_BLANK) < len(self._text) and self._text[self._at] != end:
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "}":
                self._pair(path)
            else:
                self._mark((*path, index))
                self._value((*path, index))
                index += 1
        self._at += 1

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"no TOML at {self._at}")
        self._at = match.end()
        return match[0]

    def _skip(self, pattern: re.Pattern[str]) -> int:
        self._take(pattern)
        return self._at

    def _mark(self, path: KeyPath) -> None:
        at, line = self._counted
        line += self._text.count("\n", at, self._at)
        self._counted = (self._at, line)
        self.lines.setdefault(path, line)
