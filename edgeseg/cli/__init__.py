"""The command line: errors become one line and an exit status (0 done, 1 failed, 2 usage)."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from contextlib import suppress
from typing import Any, TextIO

import click

from edgeseg import __version__, interrupts, limits
from edgeseg.errors import EdgesegError, MissingExtraError, UsageError, one_line
from edgeseg.interrupts import INTERRUPTED

FAILED, USAGE = 1, 2
TRACEBACK_VARIABLE = "EDGESEG_TRACEBACK"  # set to anything: show where an unexpected error came from

# Command -> its one line of help. The module `edgeseg.cli.<command>` is imported when the command is
# used, so that a device without torch or onnx runs `run` and `profile`, and help is quick.
COMMANDS = {
    "export": "Turn trained weights into a portable ONNX model that is proven to compute the same.",
    "build": "Turn a portable model into an engine for this machine.",
    "tune": "Make the engines that this machine can run, and keep the fastest that is accurate enough.",
    "run": "Segment a camera, video, image or folder with an engine.",
    "batch": "Segment archives of pictures and videos into a table of results, by several processes.",
    "serve": "Serve an engine to clients of other machines, by the KServe protocol.",
    "profile": "Measure an engine: inference alone, and capture to result.",
    "fit-crf": "Find the CRF's parameters for an engine on labelled images.",
    "evaluate": "Measure an engine on labelled images: mIoU, boundary F, AP, and what the deployment cost.",
    "verify": "Prove again that an engine or a portable model computes what PyTorch computed.",
    "inspect": "Say what an .onnx, an engine or trained weights hold.",
    "doctor": "Say what this machine can run, and what to install for the rest.",
    "demo": "Export, build, run and measure the three networks that come with edgeseg.",
}

# Package -> the extra that installs it, for the message when it is missing; backends name theirs themselves.
EXTRA_OF = {
    "torch": "export",
    "onnx": "build",
    "onnx_ir": "build",
    "onnxscript": "export",
    "safetensors": "export",
}
TRAINING_SIDE = ("export", "demo")  # commands that need all of `export`, onnx included
KEEPING = ("run", "batch", "tune", "demo")  # commands that finish one thing after another


class LazyCommands(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"edgeseg.cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; on Ctrl-C click itself would print an empty line first."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgeseg")
@click.option(
    "--limit",
    "raised",
    multiple=True,
    metavar="NAME=AMOUNT",
    help="Believe larger files and networks: bytes, tensor and text in bytes, pixels, or width in channels; "
    f"such as bytes=8G. May repeat; {limits.VARIABLE}=bytes=8G,pixels=500M says the same.",
)
@click.pass_context
def app(context: click.Context, raised: tuple[str, ...]) -> None:
    """Bring trained segmentation networks from PyTorch to real devices, with proof."""
    before = os.environ.get(limits.VARIABLE, "")
    wanted = ",".join(filter(None, (before, *raised)))
    limits.parse(wanted)  # a slip is told before any work
    if raised:
        os.environ[limits.VARIABLE] = wanted
        context.call_on_close(lambda: os.environ.update({limits.VARIABLE: before}))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; SIGTERM and SIGHUP end it as Ctrl-C does."""
    interrupts.hear()
    _fill_closed_outputs()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # where the terminal or the pipe is ASCII
    status = status_of(arguments)
    interrupts.finish()
    _end(sys.stdout)
    _end(sys.stderr)
    sys.exit(status)


def status_of(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; what went wrong is one line on stderr."""
    try:
        status = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, so that a full disk is told
        return status
    except click.ClickException as error:
        vars(error)["message"] = one_line(error.message)  # it may quote anything
        with suppress(OSError, ValueError):
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _interrupted(arguments)
    except UsageError as error:
        _say(f"error: {error}")
        return USAGE
    except EdgesegError as error:
        if isinstance(error, MissingExtraError) and interrupts.stop_requested():
            return _interrupted(arguments)
        _say(f"error: {error}")
        return FAILED
    except BrokenPipeError:
        # the reader went away (`| head`): nothing is wrong, and nothing more can be said
        _silence(sys.stdout)
        return FAILED
    except OSError as error:
        _say(f"error: {error.filename or 'system'}: {error.strerror or error}")
        return FAILED
    except Exception as error:
        # Libraries turn a signal that comes while they are imported into errors of their own.
        if interrupts.stop_requested():
            return _interrupted(arguments)
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        first_line = next(iter(str(error).splitlines()), "no message")
        _say(f"error: unexpected {type(error).__name__}: {first_line} ({TRACEBACK_VARIABLE}=1 shows where)")
        return FAILED


def _interrupted(arguments: list[str] | None) -> int:
    keeps = _command_of(arguments) in KEEPING
    _say("interrupted; what was finished is kept" if keeps else "interrupted")
    return INTERRUPTED


def _command_of(arguments: list[str] | None) -> str:
    """Name the command of a command line, `sys.argv` for None; empty where there is none."""
    words = sys.argv[1:] if arguments is None else arguments
    return next((word for word in words if word in COMMANDS), "")


def _say(text: str) -> None:
    """Print one line on stderr, whatever it quotes and whether or not anybody listens."""
    with suppress(OSError, ValueError):
        click.echo(one_line(text), err=True)


def _end(stream: TextIO) -> None:
    """Write what is left; a failure has been told, or cannot be, and Python would tell it once more."""
    try:
        stream.flush()
    except (OSError, ValueError):
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Lead a stream whose reader is gone to nowhere, so that nothing more fails on it."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fill_closed_outputs() -> None:
    """Open nowhere in the place of standard streams that are closed, before a file takes their numbers."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - as long as the process


def _run(arguments: list[str] | None) -> int:
    try:
        # commands return nothing, but what they raise as `Exit` comes back as its status
        return app.main(args=arguments, prog_name="edgeseg", standalone_mode=False) or 0
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        from edgeseg.engines.registry import extra_of

        library = extra_of(package)
        if library is None and package not in EXTRA_OF:
            raise
        command = _command_of(arguments)
        extra = library or ("export" if command in TRAINING_SIDE else EXTRA_OF[package])
        raise MissingExtraError(package, extra) from error
