"""`edgeseg profile`: an engine's latency on this machine, compared with others or with a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edgeseg.cli.options import COUNT, DEVICES, MOST, PATH, THREADS, Memory, Number, write_json
from edgeseg.cli.outputs import check_reports
from edgeseg.cli.profile_check import check_of, refuse_memory
from edgeseg.cli.profile_measure import Asked, measure_one, measure_pairs, with_layers
from edgeseg.cli.profile_table import names_of, print_comparison, print_profile
from edgeseg.cli.refine_options import check_crf, crf_budget_option, crf_options
from edgeseg.cli.remote_options import OWN, check_remote, profile_there, remote_options
from edgeseg.cli.tile_options import tile_options
from edgeseg.errors import UsageError
from edgeseg.files import write_whole

if TYPE_CHECKING:
    from edgeseg.runtime.profiling.comparison import Comparison
    from edgeseg.runtime.profiling.report import Profile
    from edgeseg.runtime.sources.base import Source

DEFAULT_FRAMES = 100
DEFAULT_SOURCE = "synthetic:640x480"
DEFAULT_STREAMS = 4
MOST_STREAMS = 256  # each has three threads and some frames
DEFAULT_SLOWDOWN = 10.0  # percent
# Parameters of what is done here, whichever machine is profiled.
DONE_HERE = ("json_path", "html_path", "baseline_path", "max_slowdown", "check_anyway", "max_memory")
FOR_CHECK = {"max_slowdown": "--max-slowdown", "check_anyway": "--check-anyway"}
SCENARIOS = ("single-stream", "multi-stream", "offline")


@click.command()
@click.argument("arguments", nargs=-1, required=True, metavar="ENGINE [ENGINE]... [SOURCE]")
@click.option(
    "--json", "json_path", type=PATH, help="Write the profile as JSON ('-' for the standard output)."
)
@click.option(
    "--html",
    "html_path",
    type=PATH,
    help="Write it as one page with charts, which asks for nothing; with --layers, of the layers too.",
)
@click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    default=SCENARIOS[0],
    show_default=True,
    help="How frames come, as MLPerf has it: the next one when the result of the last stands; from several "
    "cameras that share the engine; or all at once, as many together as the engine takes.",
)
@click.option(
    "--streams",
    type=COUNT,
    help=f"Cameras of multi-stream, each of which gives SOURCE, at most {MOST_STREAMS}; {DEFAULT_STREAMS} if "
    "not said.",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="PATH",
    help="Measure until results are written there too (as for run); by default until an overlay is drawn. "
    "May repeat.",
)
@click.option(
    "--frames",
    type=COUNT,
    default=DEFAULT_FRAMES,
    show_default=True,
    help="Measured in each loop, of each camera.",
)
@click.option(
    "--warmup",
    type=click.IntRange(0, MOST),
    help="Frames computed first and not counted; by default until what they take is steady.",
)
@click.option("--seconds", type=Number(min=0.1), help="End each loop after this time.")
@click.option("--layers", is_flag=True, help="Also measure each layer, by the engine's own library.")
@click.option(
    "--check",
    "baseline_path",
    type=PATH,
    metavar="FILE",
    help="Compare with a profile that --json wrote; exit status 1 if this one is slower, beyond noise.",
)
@click.option(
    "--max-slowdown",
    type=Number(min=0.0),
    default=DEFAULT_SLOWDOWN,
    show_default=True,
    help="Percent by which --check lets the engine be slower.",
)
@click.option(
    "--check-anyway", is_flag=True, help="Compare with a baseline of another machine, engine or source too."
)
@click.option(
    "--max-memory",
    type=Memory(),
    help="Exit status 1 if the peak of the memory is above it, Python and libraries included.",
)
@crf_options
@crf_budget_option
@tile_options
@click.option("--device", type=click.Choice(DEVICES), help="Where; by default as it was built.")
@click.option(
    "--threads", type=THREADS, help="Threads per inference; by default what the build measured as best."
)
@remote_options
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    arguments: tuple[str, ...],
    json_path: Path | None,
    html_path: Path | None,
    layers: bool,
    baseline_path: Path | None,
    max_slowdown: float,
    check_anyway: bool,
    max_memory: int | None,
    streams: int | None,
    on: str | None,
    **options: Any,
) -> None:
    """Measure ENGINE on SOURCE (as for run; synthetic frames of 640x480 by default).

    Capture to result begins when a frame has arrived and ends when its result stands in memory in the frame's
    own pixels; capture to sink ends when that is drawn, or written. Inference alone begins with the prepared
    input and ends with the outputs, both in host memory. Several engines are measured in turn and compared.
    """
    check_crf(options["crf"], options["budget_ms"])
    engines, source = _engines_and_source(arguments)
    check_remote(on, options, engines)
    options = {name: value for name, value in options.items() if name not in OWN}
    asked = Asked(source=source, streams=streams or DEFAULT_STREAMS, **options)
    _refuse_combinations(asked, engines, streams=streams)
    _refuse_several(
        engines,
        {
            "--scenario": asked.scenario != SCENARIOS[0],
            "-o": bool(asked.outputs),
            "--layers": layers,
            "--check": baseline_path is not None,
            "--max-memory": max_memory is not None,
        },
    )
    _refuse_no_file(html_path)
    reports = {"--json": json_path, "--html": html_path}
    beside = {"-o": [Path(output) for output in asked.outputs]}
    check_reports(reports, engines=engines, reads=[baseline_path, *engines, Path(source)], beside=beside)
    if baseline_path is None:
        _refuse_without_baseline(context)
        baseline = None
    else:
        baseline = check_of(baseline_path, max_slowdown, anyway=check_anyway)
        baseline.before(engines[0], asked, here=on is None)

    def check(opened: Source) -> None:
        check_reports(reports, reads=opened.files)
        if baseline is not None:
            baseline.before(engines[0], asked, here=True, source=opened.name)

    silent = str(json_path) == "-"
    if len(engines) > 1:
        comparison = measure_pairs(engines, asked, check)
        if json_path is not None:
            write_json(json_path, comparison.to_json_value())
        _write_comparison_page(html_path, comparison)
        if not silent:
            print_comparison(comparison)
        return
    if on is not None:
        found = profile_there(context, on, engines[0], source, done_here=DONE_HERE)
        report = found.report
        if not silent:
            click.echo(found.verified)
    else:
        report = measure_one(engines[0], asked, check)
        if layers:
            report = with_layers(report, engines[0], asked)
    if json_path is not None:
        write_json(json_path, report.to_json_value())
    _write_page(html_path, report)
    if not silent:
        print_profile(report)
    if baseline is not None:
        click.echo(baseline.after(report), err=silent)
    refuse_memory(report, max_memory)


def _refuse_without_baseline(context: click.Context) -> None:
    """Raise UsageError for options that say how to compare where there is nothing to compare with."""
    for name, option in FOR_CHECK.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{option} is for --check FILE, a profile that --json wrote; add it")


def _refuse_no_file(html_path: Path | None) -> None:
    if str(html_path) == "-":
        raise UsageError("--html takes the name of a file, got -; for example --html profile.html")


def _write_page(path: Path | None, report: Profile) -> None:
    from edgeseg.runtime.profiling.page import html_page

    if path is None:
        return
    write_whole(path, html_page(report).encode())


def _write_comparison_page(path: Path | None, comparison: Comparison) -> None:
    from edgeseg.runtime.profiling.comparison_page import comparison_page

    if path is None:
        return
    write_whole(path, comparison_page(comparison, names_of(comparison.profiles)).encode())


def _engines_and_source(arguments: tuple[str, ...]) -> tuple[list[Path], str]:
    """Tell engines from the source, which may come last: the first is an engine, and what has a manifest.

    Raises:
        UsageError: if anything but the last is neither.
    """
    from edgeseg.manifest import MANIFEST_NAME

    others = [number for number, text in enumerate(arguments) if number and not _is_engine(text)]
    if others and others[0] != len(arguments) - 1:
        raise UsageError(
            f"{arguments[others[0]]} is no engine, which has a {MANIFEST_NAME}; give engines first, then one "
            "source"
        )
    engines = arguments[: others[0]] if others else arguments
    for engine in engines:
        PATH.convert(engine, None, None)
    return [Path(engine) for engine in engines], arguments[others[0]] if others else DEFAULT_SOURCE


def _is_engine(text: str) -> bool:
    from edgeseg.manifest import MANIFEST_NAME

    try:
        return (Path(text) / MANIFEST_NAME).is_file()
    except (OSError, ValueError):
        return False


def _refuse_combinations(asked: Asked, engines: list[Path], *, streams: int | None) -> None:
    """Raise UsageError for options that do not go together."""
    if streams is not None and asked.scenario != "multi-stream":
        raise UsageError("--streams counts the cameras of --scenario multi-stream; add that")
    if asked.streams > MOST_STREAMS:
        raise UsageError(
            f"--streams must be 1 to {MOST_STREAMS}, got {asked.streams}: each camera has threads and frames "
            "of its own"
        )
    if asked.outputs and asked.scenario != "single-stream":
        raise UsageError("latency to -o is measured of one frame at a time; leave out -o, or --scenario")


def _refuse_several(engines: list[Path], given: dict[str, bool]) -> None:
    """Raise UsageError for several engines and an option, of those that are given, that takes one."""
    for option in (option for option, is_given in given.items() if is_given):
        if len(engines) > 1:
            raise UsageError(f"{option} takes one engine, got {len(engines)}; profile them one by one")
