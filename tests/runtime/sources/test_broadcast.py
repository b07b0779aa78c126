"""Streams in segments (HLS) and in datagrams (MPEG-TS over UDP), from real senders."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest

from edgeseg.runtime.sources import open_source

from ..fakes import encode_video, moving

OPTIONS = {"g": "10", "x264-params": "scenecut=0:bframes=0"}
DATAGRAM = 7 * 188  # bytes: whole packets of a transport stream


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine and give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_playlist(folder: Path, *, ended: bool) -> None:
    """Write 50 frames in segments of 10, and their playlist."""
    settings = {"hls_time": "0.4", "hls_list_size": "0", "hls_segment_filename": str(folder / "s%d.ts")}
    playlist = folder / "camera.m3u8"
    with av.open(str(playlist), "w", format="hls", options=settings) as container:
        stream = container.add_stream("libx264", rate=25, options=OPTIONS)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for image in moving(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode())
    text = playlist.read_text().replace("TARGETDURATION:0", "TARGETDURATION:1")
    playlist.write_text(text if ended else text.replace("#EXT-X-ENDLIST\n", ""))


def test_a_playlist_with_an_end_is_a_recording(tmp_path: Path) -> None:
    write_playlist(tmp_path, ended=True)
    with serving(tmp_path) as address, open_source(f"{address}/camera.m3u8") as source:
        assert not source.live
        assert [frame.index for frame in source] == list(range(50))


def test_a_playlist_without_an_end_is_live_and_ends_when_no_segment_comes(tmp_path: Path) -> None:
    write_playlist(tmp_path, ended=False)
    with serving(tmp_path) as address, open_source(f"{address}/camera.m3u8#read-timeout=1.5") as source:
        assert source.live
        assert len(list(source)) in (29, 30)  # the last three segments: what is older is no news
        assert "stopped sending: nothing came for 1." in source.skipped[0]
        assert source.bad_frames == 0


def clip(
    path: Path, size_hw: tuple[int, int] = (96, 128), *, codec: str = "libx264", at_s: float = 1.0
) -> bytes:
    """Encode a transport stream of 40 frames whose times begin at `at_s`."""
    options = OPTIONS if codec == "libx264" else {"x265-params": "log-level=none:keyint=10:bframes=0"}
    times = [at_s + number / 25 for number in range(40)]
    images = moving(40, size_hw)
    return encode_video(path, images, times, codec=codec, pixels="yuv420p", options=options).read_bytes()


def free_port() -> int:
    """Find a port for datagrams that nobody listens at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def sending(*clips: bytes) -> Iterator[tuple[str, threading.Event]]:
    """Send clips in datagrams, over and over; give the address, and what ends it when it is set."""
    port, stop = free_port(), threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for stream in itertools.cycle(clips):
                for begin in range(0, len(stream), DATAGRAM):
                    sender.sendto(stream[begin : begin + DATAGRAM], ("127.0.0.1", port))
                    if stop.wait(0.002):
                        return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield f"udp://127.0.0.1:{port}#read-timeout=2", stop
    finally:
        stop.set()
        sender.join()


def test_a_transport_stream_in_datagrams_is_live_and_its_clock_may_jump(tmp_path: Path) -> None:
    with (
        sending(clip(tmp_path / "v.ts", at_s=12.0)) as (address, stop),
        open_source(address) as source,
    ):
        assert source.live
        times = [frame.media_s for _ in range(100) if (frame := source.read()) is not None]
        assert len(times) == 100  # more than two rounds
        assert times == sorted(times)
        assert len(source.notes) == 1
        assert "the clock of udp://127.0.0.1" in source.notes[0]
        assert "last by -1." in source.notes[0]
        stop.set()
        assert len(list(source)) < 1000
        assert "nothing came for" in source.skipped[0]


def test_frames_of_a_new_size_follow_those_of_the_old(tmp_path: Path) -> None:
    clips = clip(tmp_path / "a.ts"), clip(tmp_path / "b.ts", (144, 192), at_s=2.6)
    with sending(*clips) as (address, _), open_source(address) as source:
        shapes = [frame.image.shape for _ in range(100) if (frame := source.read()) is not None]
        assert {(96, 128, 3), (144, 192, 3)} == set(shapes)
        assert any("changed size" in note for note in source.notes)


def test_a_new_codec_ends_a_stream_that_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseg.runtime.sources.patience.MAX_BAD_S", 0.5)
    old, new = clip(tmp_path / "a.ts"), clip(tmp_path / "b.ts", codec="libx265", at_s=2.6)
    with sending(old, *[new] * 100) as (address, _):
        with open_source(address) as source:
            assert len(list(source)) < 100
            assert "none of the last" in source.skipped[0]
        with open_source(address) as source:
            frames = [source.read() for _ in range(10)]
            assert None not in frames


def test_srt_is_read_by_way_of_a_program_that_has_it(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("the program ffmpeg, which sends and receives SRT here, is not installed")
    known = subprocess.run(
        ["ffmpeg", "-v", "error", "-protocols"], capture_output=True, text=True, check=True
    )
    if "srt" not in known.stdout.split():
        pytest.skip("this ffmpeg is built without SRT")
    clip(tmp_path / "v.ts")
    srt, udp = free_port(), free_port()
    quiet = ["ffmpeg", "-v", "quiet", "-nostdin"]
    camera = [*quiet, "-re", "-stream_loop", "-1", "-i", str(tmp_path / "v.ts"), "-c", "copy", "-f", "mpegts"]
    relay = [*quiet, "-i", f"srt://127.0.0.1:{srt}", "-c", "copy", "-f", "mpegts"]
    commands = (
        [*camera, f"srt://127.0.0.1:{srt}?mode=listener"],
        [*relay, f"udp://127.0.0.1:{udp}?pkt_size={DATAGRAM}"],
    )
    with ExitStack() as stack:
        for command in commands:
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.kill)
        with open_source(f"udp://127.0.0.1:{udp}#open-timeout=30") as source:
            assert None not in [source.read() for _ in range(10)]
