"""The page of all commands and options is the one that the commands make."""

from __future__ import annotations

from edgeseg.cli import COMMANDS
from tools.docs.command_line import PAGE, page


def test_the_page_is_that_of_the_commands() -> None:
    assert PAGE.read_text() == page(), "run: python tools/docs/command_line.py"


def test_the_page_names_what_a_reader_looks_for() -> None:
    text = page()
    for command in COMMANDS:
        assert f"## edgeseg {command}\n" in text
    assert "| `--lowering` `onnx`, `dense` |" in text
    assert "Required." in text.split("## edgeseg export")[1].split("## edgeseg build")[0]


def test_what_depends_on_the_machine_is_left_out() -> None:
    """The range of --threads ends at the number of cores."""
    assert "<=x" not in page().replace("\\", "")
