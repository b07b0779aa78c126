"""Start a real RTSP server, GStreamer's, in a process of its own, and cut it in every way."""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import quote

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's, for which python3-gst-1.0 is
PROGRAM = Path(__file__).with_name("rtsp_server.py")
START_TIMEOUT_S = 30.0
NEEDED = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
    "Gst.init(None); missing = [name for name in ('x264enc', 'jpegenc', 'rtph264pay', 'appsrc') "
    "if Gst.ElementFactory.find(name) is None]; raise SystemExit(', '.join(missing) or None)"
)


@dataclass(frozen=True)
class Camera:
    """What a mount shows: the marks of `marks.py`, with this camera's number.

    Width and height are divisible by 16; `gop` is how many frames there are from one keyframe to the
    next, and `loss` the share of RTP packets, 0..1, that go missing. `recording`, a file, takes the place
    of the marks, and is played once, at its own rate.
    """

    number: int = 1
    width: int = 320
    height: int = 240
    fps: float = 15.0
    codec: Literal["h264", "h265", "mjpeg"] = "h264"
    gop: int = 5
    loss: float = 0.0
    recording: str = ""


@functools.cache
def why_no_rtsp_server() -> str:
    """Say why this machine cannot run the server; empty where it can."""
    if not Path(SYSTEM_PYTHON).exists():
        return f"there is no {SYSTEM_PYTHON}"
    done = subprocess.run(
        [SYSTEM_PYTHON, "-W", "ignore", "-c", NEEDED], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"GStreamer's RTSP server is not installed: {done.stderr.strip().splitlines()[-1]}"
    return ""


class RtspServer:
    """A server of one or more cameras on this machine; the calling test is skipped where it cannot run.

    Args:
        cameras: by mount, such as `/camera`; one Camera stands for that mount alone.
        user, password: who may look; everyone by default.
        digest: ask for them by digest, not in plain text.

    Attributes:
        port: where it listens, the same after `restart`.
        epoch_s: `time.time()` at which frame 0 of all cameras was or would have been shown, restarts or not.
    """

    def __init__(
        self,
        cameras: Camera | Mapping[str, Camera] | None = None,
        *,
        user: str = "",
        password: str = "",
        digest: bool = False,
    ) -> None:
        if reason := why_no_rtsp_server():
            pytest.skip(reason)
        cameras = Camera() if cameras is None else cameras
        self.cameras = {"/camera": cameras} if isinstance(cameras, Camera) else dict(cameras)
        self.epoch_s = time.time()
        self.port = 0
        self._access = {"user": user, "password": password, "digest": digest}
        self._process: subprocess.Popen[str] | None = None

    def url(self, mount: str = "/camera", *, port: int | None = None, password: str | None = None) -> str:
        """Give the address of a camera, with user and password if any; `port` may be that of a proxy."""
        user, own = self._access["user"], self._access["password"]
        shown = f"{quote(str(user), safe='')}:{quote(password or str(own), safe='')}@" if user else ""
        return f"rtsp://{shown}127.0.0.1:{port or self.port}{mount}"

    def start(self) -> None:
        """Start, at the port of last time, and wait until it listens."""
        asked = {
            "port": self.port,
            "mounts": {mount: asdict(camera) for mount, camera in self.cameras.items()},
            "epoch_s": self.epoch_s,
            **self._access,
        }
        command = [SYSTEM_PYTHON, "-W", "ignore", str(PROGRAM), json.dumps(asked)]
        quiet = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=quiet
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT_S)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.kill()
            raise RuntimeError(f"the RTSP server did not start within {START_TIMEOUT_S:g} s")
        self.port = json.loads(line)["port"]

    def kill(self) -> None:
        """End it at once, as a power cut does; connections are reset by this machine's kernel."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process = None

    def restart(self, cameras: Camera | Mapping[str, Camera] | None = None, **changes: object) -> None:
        """Kill it and start it at the same port, with other cameras, or with `changes` of all it has."""
        self.kill()
        if cameras is not None:
            self.cameras = {"/camera": cameras} if isinstance(cameras, Camera) else dict(cameras)
        self.cameras = {mount: replace(camera, **changes) for mount, camera in self.cameras.items()}  # type: ignore[arg-type]
        self.start()

    def freeze(self) -> None:
        """Stop the process: connections stay open, nothing comes, and new ones are never answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def hold_picture(self, hold: bool = True) -> None:
        """Show the same picture over and over, or moving ones again."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("still\n" if hold else "moving\n")
        self._process.stdin.flush()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
