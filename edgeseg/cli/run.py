"""`edgeseg run`: frames of cameras, videos, images or folders become labels, instances and pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from edgeseg.cli.filter_options import filter_options
from edgeseg.cli.options import COUNT, DEVICES, PATH, PROBABILITY, THREADS
from edgeseg.cli.refine_options import budget_option, crf_options
from edgeseg.cli.rotation_options import rotation_options
from edgeseg.cli.site_options import site_options
from edgeseg.cli.tile_options import tile_options
from edgeseg.errors import SourceDownError, UsageError

if TYPE_CHECKING:
    from edgeseg.runtime.settings import ServeSettings, SiteSettings, StreamSettings
    from edgeseg.runtime.site.reading import SettingsFile

MOST_PORT = 65535
NAME = "{name}"  # of a stream, in an output
OF_SITES = ("device", "threads", "max_memory", "rotate", "keep")  # options that are settings of all streams
NOT_OF_STREAMS = (*OF_SITES, "serve", "token_file", "outputs")
BESIDE_A_FILE = ("config", "check", "ray", "status_path")


@click.command()
@click.argument("engine", type=PATH, required=False)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="PATH",
    help=".mp4 or .m3u8 (overlays), .jsonl (one object a frame), .json (COCO results), .png or .jpg (one "
    "image), a folder (label maps), mqtt[s]://... or http[s]://... (a message a result), rtsp://..., "
    "rtmp://..., srt://... or udp://... (overlays). May repeat. With several sources, {name} in it is "
    "each one's name.",
)
@rotation_options
@click.option("--show", is_flag=True, help="Show the overlay in a window; q ends.")
@click.option("--frames", type=COUNT, help="Stop after so many frames.")
@click.option(
    "--policy",
    type=click.Choice(["latest", "every"]),
    help="Which frames: every one, or the newest only. Default: latest for cameras, else every.",
)
@site_options
@filter_options
@tile_options
@crf_options
@budget_option
@click.option("--device", type=click.Choice(DEVICES), help="Where; by default as it was built.")
@click.option(
    "--threads", type=THREADS, help="Threads per inference; by default what the build measured as best."
)
@click.option(
    "--max-memory",
    metavar="400MB|1.5GB",
    help="Refuse an engine that takes more to run once, and end when more is taken.",
)
@click.option("--score-threshold", type=PROBABILITY, help="Show instances that score at least this.")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    engine: Path | None,
    sources: tuple[str, ...],
    config: Path | None,
    check: bool,
    show: bool,
    frames: int | None,
    ray: str | None,
    status_path: Path | None,
    **asked: Any,
) -> None:
    """Segment each SOURCE with ENGINE.

    SOURCE is a camera's index or device path, a video or image file, a folder of images, an address (rtsp,
    http for MJPEG, HLS or a video, udp, rtmp, srt), a GStreamer pipeline (gst:...) or generated scenes
    (synthetic:640x480?seed=3&frames=100). Options stand behind #: 'rtsp://camera/1#transport=udp',
    '/dev/video0#size=1280x720'. Several share ENGINE.
    """
    from edgeseg.cli.site_run import check_site, run_site

    file: SettingsFile | None = None
    if config is not None:
        from edgeseg.runtime.site.reading import read_settings

        _refuse_beside_file(context)
        file = read_settings(config)
        settings = file.settings
    elif engine is None or not sources:
        raise click.UsageError("give ENGINE and SOURCE, or --config FILE", context)
    else:
        settings = _settings(engine, sources, asked)
        _refuse_show(show, sources)
    if ray is None and status_path is not None:
        raise UsageError("--status says how a cluster is doing; it goes with --ray")
    if ray is not None and (show or frames):
        raise UsageError("--show and --frames are of one machine; leave them out with --ray")
    if ray is not None:
        from edgeseg.cli.cluster_run import for_nodes, run_cluster

        settings = for_nodes(settings)
    if check:
        check_site(settings, file, frames, here=ray is None)
        return
    if engine is not None and not (asked["outputs"] or asked["serve"] or show or frames):
        _refuse_endless(engine, sources)
    if ray is not None:
        run_cluster(settings, file=file, address=ray, status_path=status_path)
        return
    run_site(settings, file=file, frames=frames, show=show)


def _settings(engine: Path, sources: tuple[str, ...], asked: dict[str, Any]) -> SiteSettings:
    """Make the settings of a site of what stands on the command line."""
    from edgeseg.runtime.settings import SiteSettings, StreamSettings
    from edgeseg.runtime.site.names import with_names

    of_site = {name: asked[name] for name in OF_SITES}
    of_site["serve"] = _serve(asked["serve"], asked["token_file"])
    of_stream = {name: value for name, value in asked.items() if name not in NOT_OF_STREAMS}
    streams = tuple(StreamSettings(source, **of_stream) for source in sources)
    named = with_names(SiteSettings(str(engine), streams, **of_site))
    outputs: tuple[str, ...] = asked["outputs"]
    for output in outputs:
        if NAME not in output and len(sources) > 1:
            raise UsageError(_cannot_hold(output, len(sources)))
    return dataclasses.replace(named, streams=tuple(_with_outputs(one, outputs) for one in named.streams))


def _cannot_hold(output: str, count: int) -> str:
    """Say how the streams get outputs of their own, without the passwords of an address."""
    from edgeseg.runtime.sinks.addresses import is_address
    from edgeseg.runtime.sources.address import without_password

    if is_address(output):
        return f"-o {without_password(output)} cannot hold {count} streams; write {NAME} into its path"
    stem, dot, suffix = output.rpartition(".")
    better = f"{stem}-{NAME}{dot}{suffix}" if dot else f"{output}-{NAME}"
    return f"-o {output} cannot hold {count} streams; write -o '{better}'"


def _serve(text: str | None, token_file: str | None) -> ServeSettings | None:
    """Read [HOST:]PORT. Raises UsageError."""
    from edgeseg.runtime.settings import ServeSettings

    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not (port.isdecimal() and int(port) <= MOST_PORT):
        raise UsageError(f"--serve takes [HOST:]PORT, such as 8080 or 0.0.0.0:8080, got {text!r}")
    return ServeSettings(host.strip("[]") or "127.0.0.1", int(port), token_file)


def _with_outputs(stream: StreamSettings, outputs: tuple[str, ...]) -> StreamSettings:
    return dataclasses.replace(stream, outputs=tuple(text.replace(NAME, stream.name) for text in outputs))


def _refuse_beside_file(context: click.Context) -> None:
    """Raise UsageError for what would be given twice."""
    given = [
        parameter
        for parameter in context.command.params
        if parameter.name not in BESIDE_A_FILE
        and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    if given:
        name = given[0].opts[-1] if isinstance(given[0], click.Option) else given[0].human_readable_name
        raise UsageError(f"--config says all there is to run; leave out {name}, or write it into the file")


def _refuse_show(show: bool, sources: tuple[str, ...]) -> None:
    if show and len(sources) > 1:
        raise UsageError(f"--show has one window, and there are {len(sources)} sources; show one of them")


def _refuse_endless(engine: Path, sources: tuple[str, ...]) -> None:
    """Raise UsageError if a source never ends, and nothing would be kept of it; EngineError comes first."""
    from edgeseg.manifest import read_manifest
    from edgeseg.runtime.sources import open_source

    taken = read_manifest(engine).spec.input
    for source in sources:
        try:
            with open_source(source, taken) as opened:
                name, endless = opened.name, opened.frame_count is None and not opened.files
        except SourceDownError as error:
            raise UsageError(f"{error}; nothing would be kept: give -o, --show or --frames") from error
        if endless:
            raise UsageError(f"{name} never ends and nothing would be kept: give -o, --show or --frames")
