"""Turn the options of every command into `docs/command-line.md`: python tools/docs/command_line.py

A test compares the page with what this makes, so that the page stays true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from edgeseg.cli import COMMANDS, app

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
HEAD = """# Command line

<!-- Made by tools/docs/command_line.py; change the help of the commands, and run it again. -->

Every command ends with exit status 0 (done), 1 (it failed; one line on stderr says why and what to do), 2
(the command line is wrong) or 130 (Ctrl-C, SIGTERM or SIGHUP; what run, batch, tune and demo had finished is
kept). Long work shows a progress bar on a terminal and plain lines elsewhere.

| variable | |
| --- | --- |
| `EDGESEG_CRF_KERNEL` | the CRF's kernel: `avx2`, `baseline` or `numpy`; the fastest by default |
| `EDGESEG_LIMITS` | raises [limits](limits.md), as `--limit` does: `bytes=8G,pixels=500M` |
| `EDGESEG_PROVIDER_LIBRARY` | an execution provider of ONNX Runtime that comes as a library of its own |
| `EDGESEG_TRACEBACK` | set to anything: an unexpected error shows where it came from |
"""


def page() -> str:
    """Give the whole page as Markdown."""
    context = click.Context(app, info_name="edgeseg")
    parts = [HEAD, "## edgeseg\n", _usage(app, context), _options(app, context)]
    rows = "\n".join(f"| [`{name}`](#edgeseg-{name}) | {line} |" for name, line in COMMANDS.items())
    parts.append(f"| command | |\n| --- | --- |\n{rows}\n")
    for name in COMMANDS:
        command = app.get_command(context, name)
        assert command is not None
        inner = click.Context(command, parent=context, info_name=name)
        text = "\n\n".join(_paragraphs(command.help or ""))
        parts += [f"## edgeseg {name}\n", _usage(command, inner), f"{text}\n", _options(command, inner)]
    return "\n".join(parts)


def _usage(command: click.Command, context: click.Context) -> str:
    pieces = " ".join(command.collect_usage_pieces(context))
    return f"```text\n{context.command_path} {pieces}\n```\n"


def _paragraphs(text: str) -> Iterator[str]:
    """Undo the line breaks of a docstring; Markdown takes nothing in it for markup."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield _escaped(" ".join(paragraph.split()))


def _options(command: click.Command, context: click.Context) -> str:
    rows = []
    for parameter in command.get_params(context):
        if not isinstance(parameter, click.Option) or parameter.hidden or "--help" in parameter.opts:
            continue
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        notes = "; ".join(_notes(parameter))
        rows.append(f"| {names}{_value(parameter)} | {_escaped(parameter.help or '')}{notes} |")
    return "\n".join(["| option | |", "| --- | --- |", *rows, ""])


def _value(option: click.Option) -> str:
    """Say what an option takes. Ranges are left out: some of them depend on the machine's cores."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return " " + ", ".join(f"`{choice}`" for choice in option.type.choices)
    name = option.metavar or option.type.name
    word = name.removesuffix(" range").upper() if name.islower() else name
    return f" `{word}`".replace("|", "` or `")


def _notes(option: click.Option) -> Iterator[str]:
    if option.required:
        yield " Required."
    shown = option.show_default
    if shown and option.default is not None and not option.is_flag:
        yield f" Default: {shown if isinstance(shown, str) else option.default}."


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page())
