"""`edgeseg serve`: clients of other machines send frames, and get what an engine finds in them."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseg.cli.options import COUNT, DEVICES, PATH, PROBABILITY, THREADS
from edgeseg.errors import UsageError

if TYPE_CHECKING:
    from edgeseg.serving.on_ray import RayServer

MOST_PORT = 65535
_REPLICAS = re.compile(r"([1-9][0-9]{0,3})(?::([1-9][0-9]{0,3}))?")


@click.command()
@click.argument("engine", type=PATH)
@click.option(
    "--at",
    metavar="[HOST:]PORT",
    default="8000",
    show_default=True,
    help="Where clients connect; without HOST from this machine alone.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    default="local",
    show_default=True,
    help="The Ray cluster to serve on; auto: the one here; local: one of this machine, for this run.",
)
@click.option(
    "--name",
    help="Of the model, by which clients call it: letters, digits, dots, - and _; the folder's by default.",
)
@click.option(
    "--replicas",
    metavar="MIN[:MAX]",
    default="1",
    show_default=True,
    help="Processes with an engine each; between MIN and MAX as many as the requests take.",
)
@click.option(
    "--queue",
    type=COUNT,
    default=64,
    show_default=True,
    help="Requests that may wait; further ones are refused at once (status 503).",
)
@click.option("--device", type=click.Choice(DEVICES), help="Where; by default as it was built.")
@click.option(
    "--threads", type=THREADS, default=1, show_default=True, help="Threads per replica's inference."
)
@click.option("--crf", is_flag=True, help="Refine labels, or instances' masks, by a CRF, as run does.")
@click.option("--score-threshold", type=PROBABILITY, help="Keep instances that score at least this.")
def command(
    *,
    engine: Path,
    at: str,
    ray: str,
    name: str | None,
    replicas: str,
    queue: int,
    device: str | None,
    threads: int,
    crf: bool,
    score_threshold: float | None,
) -> None:
    """Serve ENGINE over HTTP by Ray Serve, until it is interrupted.

    Clients speak the KServe protocol, version 2, which Triton speaks, too: NVIDIA's tritonclient, or any of
    HTTP. Requests that come together share the engine's batches. Anyone who reaches the port may send
    requests. Takes edgeseg[scale].
    """
    from edgeseg.serving.on_ray import RayServer, ServerSettings
    from edgeseg.serving.replica import EngineSettings

    host, port = _address(at)
    settings = ServerSettings(
        EngineSettings(engine.resolve(), device, threads, score_threshold, crf),
        engine.resolve().name if name is None else name,
        host,
        port,
        _replicas(replicas),
        queue,
    )
    with RayServer(settings, ray, lambda line: click.echo(line, err=True)) as server:
        click.echo(_told(server))
        threading.Event().wait()


def _told(server: RayServer) -> str:
    least, most = server.settings.replicas
    count = f"{least} to {most} replicas" if most > least else f"{least} replica{'s' * (least > 1)}"
    return f"{server.settings.name} is served at http://{server.address}/v2 by {count}; Ctrl-C ends it"


def _address(text: str) -> tuple[str, int]:
    """Read [HOST:]PORT. Raises UsageError."""
    host, _, port = text.rpartition(":")
    if not (port.isdecimal() and 1 <= int(port) <= MOST_PORT):
        raise UsageError(f"--at takes [HOST:]PORT, such as 8000 or 0.0.0.0:8000, got {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _replicas(text: str) -> tuple[int, int]:
    """Read MIN[:MAX]. Raises UsageError."""
    found: Any = _REPLICAS.fullmatch(text)
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if most < least:
        raise UsageError(f"--replicas takes MIN[:MAX], such as 2 or 1:4, got {text!r}")
    return least, most
