"""Flags that let a command work on a device by SSH."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edgeseg.cli.options import status
from edgeseg.errors import UsageError

if TYPE_CHECKING:
    from edgeseg.remote.profile import RemoteProfile

OWN = ("on", "remote_python", "remote_edgeseg")
HOME = "~/"


def remote_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --on, --remote-python and --remote-edgeseg."""
    for decorate in (
        click.option(
            "--remote-python", metavar="PATH", help="Or the Python there in which edgeseg is installed."
        ),
        click.option(
            "--remote-edgeseg",
            metavar="PATH",
            help="The command `edgeseg` on that device, if it is not on its path; ~/ is its home folder.",
        ),
        click.option(
            "--on",
            metavar="USER@DEVICE",
            is_eager=True,  # other options ask for it
            help="On another machine, by SSH: copy the engine or build a package there, verify, measure, and "
            "bring the report back. Ports and keys are as in ~/.ssh/config.",
        ),
    ):
        command = decorate(command)
    return command


def check_remote(on: str | None, options: Mapping[str, Any], engines: Sequence[Path]) -> None:
    """Refuse what does not go together with a device. Raises UsageError.

    Args:
        on: the device; None for this machine.
        options: as they were given, by name.
    """
    python, edgeseg = options["remote_python"], options["remote_edgeseg"]
    if on is None and (python or edgeseg):
        raise UsageError("--remote-python and --remote-edgeseg are for --on USER@DEVICE")
    if python and edgeseg:
        raise UsageError("give one of --remote-python and --remote-edgeseg")
    if on is None:
        return
    if len(engines) > 1:
        raise UsageError(f"--on takes one engine, got {len(engines)}; profile them one by one")
    if options.get("outputs"):
        raise UsageError("results that are written on the device do not come back; leave out -o, or --on")


def profile_there(
    context: click.Context, on: str, artifact: Path, source: str, *, done_here: Collection[str]
) -> RemoteProfile:
    """Profile on a device, with the options that were given here.

    Args:
        context: of the command; what stood on its command line is passed on.
        done_here: names of parameters that are not, such as where the report is written.
    """
    from edgeseg.remote.profile import profile_on

    python, edgeseg = context.params["remote_python"], context.params["remote_edgeseg"]
    with status(f"profiling {artifact} on {on}") as say:
        return profile_on(
            on,
            artifact,
            source,
            edgeseg=[_path(python), "-m", "edgeseg"] if python else [_path(edgeseg or "edgeseg")],
            options=_given(context, {*OWN, *done_here}),
            threads={
                option: context.params[name] or 1
                for name, option in (("threads", "--threads"), ("crf_threads", "--crf-threads"))
            },
            say=say,
        )


def _path(text: str) -> str:
    """SSH begins in the home folder; a ~ is the shell's to replace, which takes these words as they are."""
    return f"./{text.removeprefix(HOME)}" if text.startswith(HOME) else text


def _given(context: click.Context, left_out: Collection[str]) -> list[str]:
    """Write again the options that stood on the command line."""
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in left_out or not isinstance(parameter, click.Option):
            continue
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        if parameter.is_flag:
            words.append(parameter.opts[0] if value else parameter.secondary_opts[0])
            continue
        for one in value if parameter.multiple else [value]:
            words += [parameter.opts[0], str(one)]
    return words
