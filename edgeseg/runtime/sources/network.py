"""Open a network stream by its address, within a time, and say without its password why that fails."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeseg.errors import SourceDownError, SourceError, UsageError
from edgeseg.extras import require
from edgeseg.opencv import EXTRA
from edgeseg.runtime.sources.address import without_password
from edgeseg.runtime.sources.container import open_container
from edgeseg.runtime.sources.options import NetworkOptions, network_options, split_options
from edgeseg.runtime.sources.packets import TIMED_OUT, reason_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

RTSP_SCHEMES = ("rtsp", "rtsps")
SCHEMES = (*RTSP_SCHEMES, "http", "https", "srt", "udp", "rtmp", "rtmps")
URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)
# FFmpeg waits for 20 frames to estimate a rate that cameras state; two are enough for what they do not.
PROBED_FRAMES = 2
ADVICE = "check the address, user name and password, and that the camera is on"
UNREADABLE = {
    "srt": "the FFmpeg inside this PyAV is built without SRT; receive it by a program that has it, such as "
    "`ffmpeg -i srt://... -c copy -f mpegts udp://127.0.0.1:5000`, and read udp://127.0.0.1:5000"
}


@dataclass(frozen=True)
class Address:
    """Where a network stream is, and how it is to be read.

    Attributes:
        url: what FFmpeg opens; not shown, since it may hold a password.
        name: it without passwords.
        options: of the stream.
    """

    url: str = field(repr=False)
    name: str
    options: NetworkOptions

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `SCHEME://...#KEY=VALUE&...`.

        Raises:
            UsageError: for a scheme that is none of SCHEMES, options that are none, and characters in user or
                password that are to be written otherwise; nothing that may be a password is quoted.
        """
        url, options = split_options(text)
        name = without_password(text)
        match = URL.fullmatch(url)
        scheme = match[1].lower() if match else ""
        if match is None or scheme not in SCHEMES:
            raise UsageError(f"{scheme}:// is not a source; URLs begin with {', '.join(SCHEMES)}")
        read = network_options(options, name, rtsp=scheme in RTSP_SCHEMES)
        if "#" in url or _user_breaks_off(match[2]):
            raise UsageError(
                f"it is not clear where user and password of {name} end; write / ? # @ : in them as "
                "%2F %3F %23 %40 %3A"
            )
        return cls(f"{scheme}://{match[2]}", name, read)

    @property
    def scheme(self) -> str:
        """What the URL begins with, in small letters."""
        return self.url.partition("://")[0]


def _user_breaks_off(rest: str) -> bool:
    """Tell whether a / or ? stands in user or password: what is before it is no host with a port."""
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in authority or "@" not in rest:
        return False
    host, colon, port = authority.rpartition(":")
    return bool(colon) and not (port.isdecimal() or port == "") and not host.startswith("[")


def open_stream(address: Address) -> tuple[InputContainer, VideoStream, bool]:
    """Open what FFmpeg can read at an address; True for what is live, not a recording on a web server.

    What a server plays by RTSP comes at its own rate, recorded or not, so that it is live as well.

    Raises:
        SourceError: if it cannot be read here, refuses the password, or its frames have too many pixels;
            SourceDownError if it does not answer, or has nothing to show, now.
    """
    require("av", EXTRA)
    import av
    from av.error import FFmpegError

    options = {"fpsprobesize": str(PROBED_FRAMES)}
    if address.scheme in RTSP_SCHEMES:
        options["rtsp_transport"] = address.options.transport
        options["allowed_media_types"] = "video"
    timeout_s = (address.options.open_timeout_s, address.options.read_timeout_s)
    started_s = time.monotonic()
    nothing = SourceDownError(f"{address.name} sends no pictures; {ADVICE}")
    try:
        return open_container(
            address.url,
            address.name,
            nothing,
            options=options,
            timeout_s=timeout_s,
            paced=address.scheme in RTSP_SCHEMES,
        )
    except (FFmpegError, OSError, ValueError) as error:
        failed = error
    # Raised out here, since FFmpeg's own error, which would be its context, holds the address.
    if isinstance(failed, av.error.ProtocolNotFoundError):
        raise SourceError(f"cannot open {address.name}: {UNREADABLE.get(address.scheme, 'no such protocol')}")
    if isinstance(failed, av.error.HTTPUnauthorizedError):
        raise SourceError(f"{address.name} refuses user name and password, or wants some; check them")
    waited_s = time.monotonic() - started_s
    reason = reason_of(failed)
    if waited_s >= TIMED_OUT * address.options.open_timeout_s:
        reason = f"it did not answer for {waited_s:.1f} s"
    raise SourceDownError(f"cannot open {address.name}: {reason}; {ADVICE}")
