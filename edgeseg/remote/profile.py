"""Profile an engine on a device: copy it there, or build it there of a package; verify, and measure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeseg.errors import RemoteError, SpecError, UsageError, one_line
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.remote.connection import Answer, Connection
from edgeseg.remote.device import Device, examine
from edgeseg.runtime.profiling.report import Profile

NO_THREADS: Mapping[str, int] = {}
ENGINE, MODEL, SOURCE = "engine", "model", "source"  # names within the remote folder
GIVE_THE_PACKAGE = (
    "give the package instead, which is built there: edgeseg build MODEL --package -o NAME.edgeseg"
)


@dataclass(frozen=True)
class RemoteProfile:
    """A profile that was taken on a device, and what verifying the engine said there."""

    report: Profile
    verified: str


def profile_on(
    device: str,
    artifact: Path,
    source: str,
    *,
    edgeseg: Sequence[str] = ("edgeseg",),
    options: Sequence[str] = (),
    threads: Mapping[str, int] = NO_THREADS,
    say: Callable[[str], None] = lambda _: None,
) -> RemoteProfile:
    """Profile an engine or a package on a device, in a temporary folder of its own there.

    Args:
        device: as `ssh` takes it.
        artifact: an engine's folder, or a package or portable model, which is built there.
        source: of frames. A file or folder that is here is copied; all else is opened on the device.
        edgeseg: the words by which edgeseg is run there.
        options: of `edgeseg profile`, for the device.
        threads: that these ask for, by option; refused before anything is built where the device has fewer
            cores.
        say: told what is going on.

    Raises:
        UsageError: if `device` or `artifact` is none.
        RemoteError: if the device is not reached, lacks something, or fails; its own line is quoted.
    """
    manifest = read_manifest(artifact, check_files=True) if artifact.is_dir() else None
    if manifest is None and not artifact.is_file():
        raise UsageError(f"there is no {artifact}; give an engine's folder, or a package")
    with Connection(device) as connection:
        say(f"connecting to {device}")
        there = examine(connection, edgeseg)
        say(f"{device}: {there}")
        _refuse_more_threads(threads, device, there)
        if manifest is not None:
            _refuse_other_processor(artifact, manifest, device, there)
        with connection.folder() as folder:
            work = _Work(connection, folder, edgeseg, say)
            say(f"copying {artifact} to {device}")
            packed = f"{MODEL}{artifact.suffix}"
            files = {packed: artifact} if manifest is None else _files_of(artifact, manifest)
            local = Path(source)
            is_here = (local.is_file() or local.is_dir()) and not source.startswith("/dev/")
            connection.send({**files, f"{SOURCE}/{local.name}": local} if is_here else files, folder)
            if manifest is None:
                work.do("build", f"{folder}/{packed}", "-o", f"{folder}/{ENGINE}")
            verified = work.do("verify", f"{folder}/{ENGINE}")
            frames = f"{folder}/{SOURCE}/{local.name}" if is_here else source
            measured = work.do("profile", f"{folder}/{ENGINE}", frames, "--json", "-", *options)
    report = _report(measured, device)
    named = replace(
        report, on=device, engine=artifact.resolve().name, source=source if is_here else report.source
    )
    return RemoteProfile(named, verified.output.strip())


@dataclass(frozen=True)
class _Work:
    """Runs the commands of edgeseg in one folder of a device."""

    connection: Connection
    folder: str
    edgeseg: Sequence[str]
    say: Callable[[str], None]

    def do(self, command: str, *arguments: str) -> Answer:
        """Run one, and pass on what it says of its progress. Raises RemoteError with its own last line."""
        device = self.connection.device
        self.say(f"{device}: edgeseg {command}")
        answer = self.connection.work(
            self.folder,
            [*self.edgeseg, command, *arguments],
            on_line=lambda line: self.say(f"{device}: {one_line(line)}"),
        )
        if answer.status != 0:
            raise RemoteError(f"edgeseg {command} failed on {device}: {answer.says}")
        return answer


def _refuse_more_threads(threads: Mapping[str, int], device: str, there: Device) -> None:
    cores = there.machine.logical_cores
    for option, count in threads.items():
        if count > cores:
            raise UsageError(f"{option} must be 1 to {cores}, the cores of {device}, got {count}")


def _refuse_other_processor(engine: Path, manifest: Manifest, device: str, there: Device) -> None:
    built_for = manifest.built_on.get("cpu")
    if built_for is not None and built_for != there.machine.cpu:
        raise RemoteError(
            f"{engine} was built for {built_for}, {device} has {there.machine.cpu}; {GIVE_THE_PACKAGE}"
        )


def _files_of(engine: Path, manifest: Manifest) -> dict[str, Path]:
    """List an engine's files and reports by their names on the device; what else lies there stays here."""
    reports = (path.name for path in engine.glob("*.json") if path.is_file())
    return {f"{ENGINE}/{name}": engine / name for name in sorted({*manifest.files, *reports})}


def _report(answer: Answer, device: str) -> Profile:
    try:
        value: Any = json.loads(answer.output[answer.output.index("{") :])
        return Profile.from_json_value(value, where=f"the report of {device}")
    except ValueError:
        raise RemoteError(f"{device} gave no report: {answer.says}") from None
    except SpecError as error:
        raise RemoteError(f"{error}; install the same version of edgeseg here and there") from error
