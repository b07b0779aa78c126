"""Every key of a TOML file is found on its line, however it is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.runtime.site.toml import loads
from edgeseg.runtime.site.toml_lines import lines_of_keys

TEXT = '''# a comment with [brackets] and = signs
engine = "e"            # line 2
"quoted \\u00e4" = 1
'literal' = 2

[[streams]]             # 6
source = """
# no comment
[no.header]
ends in quotes"""""
name = \'\'\'a\'b
\'\'\'
[[streams.zones]]       # 13
polygon = [
  [0.0, 0.1], # ] no end
  [1, 0],
]
[[streams.zones]]       # 18
at = 1979-05-27 07:32:00
[streams.extra]         # 20
a.b . "c" = {x = 1, y = [{z = "}"}, {z = 2}]}
[[streams]]             # 22
source = "\\"#"
[serve]                 # 24
port = 1
'''


def test_lines_of_a_text_worked_by_hand() -> None:
    lines = lines_of_keys(TEXT)
    assert {path: line for path, line in lines.items() if len(path) == 1} == {
        ("engine",): 2,
        ("quoted ä",): 3,
        ("literal",): 4,
        ("streams",): 6,
        ("serve",): 24,
    }
    assert lines["streams", 0] == 6
    assert lines["streams", 0, "source"] == 7
    assert lines["streams", 0, "name"] == 11
    assert lines["streams", 0, "zones", 0] == 13
    assert lines["streams", 0, "zones", 0, "polygon"] == 14
    assert lines["streams", 0, "zones", 0, "polygon", 0] == 15
    assert lines["streams", 0, "zones", 0, "polygon", 1, 1] == 16
    assert lines["streams", 0, "zones", 1, "at"] == 19
    assert lines["streams", 0, "extra"] == 20
    assert lines["streams", 0, "extra", "a", "b", "c", "y", 1, "z"] == 21
    assert lines["streams", 1] == 22
    assert lines["streams", 1, "source"] == 23
    assert lines["serve", "port"] == 25


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_as_on_any_system(end: str) -> None:
    assert lines_of_keys(f"a = 1{end}{end}[t]{end}b = ''{end}") == {
        ("a",): 1,
        ("t",): 3,
        ("t", "b"): 4,
    }


def test_an_empty_file_has_no_keys() -> None:
    assert lines_of_keys("") == lines_of_keys("# nothing") == {}


SCALARS = st.sampled_from(
    ["1", "-2.5e3", "true", '"a # b"', "'c]'", "1979-05-27", '"""d\n"e""""', "'''f\n'g''''", '""', "inf"]
)
GAPS = st.sampled_from([" ", "", "  # x ] } \" '\n", "\n\n"])


@st.composite
def arrays(draw: st.DrawFn) -> str:
    items = draw(st.lists(SCALARS | st.builds("{{ k = {} }}".format, SCALARS), max_size=4))
    gap = draw(GAPS)
    return f"[{gap}" + f",{gap}".join(f"{item}{gap}" for item in items) + "]"


@given(
    st.lists(
        st.tuples(st.sampled_from(["[[s]]\n", "[[s.z]]\n", ""]), st.lists(SCALARS | arrays(), max_size=3)),
        max_size=5,
    )
)
def test_every_key_that_tomllib_reads_has_the_line_where_its_value_begins(
    tables: list[tuple[str, list[str]]],
) -> None:
    text = "[[s]]\n"
    for number, (header, values) in enumerate(tables):
        text += header + "".join(f"k{number}_{place} = {value}\n" for place, value in enumerate(values))
    rows, lines = text.split("\n"), lines_of_keys(text)
    for path, _ in _walk(loads(text), ()):
        assert path in lines, (text, path)
        if isinstance(path[-1], str) and path[-1].startswith("k") and "_" in path[-1]:
            assert rows[lines[path] - 1].startswith(f"{path[-1]} = ")


def _walk(value: Any, path: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in [((*path, key), item), *_walk(item, (*path, key))]]
