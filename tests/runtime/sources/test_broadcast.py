"""Streams in segments (HLS) and in datagrams (MPEG-TS over UDP), from real senders."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av

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


def send(stream: bytes, port: int, stop: threading.Event) -> None:
    """Send a transport stream over and over, in datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while not stop.is_set():
            for begin in range(0, len(stream), DATAGRAM):
                sender.sendto(stream[begin : begin + DATAGRAM], ("127.0.0.1", port))
                if stop.wait(0.002):
                    return


def test_a_transport_stream_in_datagrams_is_live_and_its_clock_may_jump(tmp_path: Path) -> None:
    path = encode_video(
        tmp_path / "v.ts",
        moving(40),
        [12.0 + number / 25 for number in range(40)],
        codec="libx264",
        pixels="yuv420p",
        options=OPTIONS,
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = threading.Event()
    sender = threading.Thread(target=send, args=(path.read_bytes(), port, stop))
    sender.start()
    try:
        with open_source(f"udp://127.0.0.1:{port}#read-timeout=2") as source:
            assert source.live
            frames = [source.read() for _ in range(100)]  # more than two rounds
            times = [frame.media_s for frame in frames if frame is not None]
            assert len(times) == 100
            assert times == sorted(times)
            assert len(source.notes) == 1
            assert "the clock of udp://127.0.0.1" in source.notes[0]
            assert "last by -1." in source.notes[0]
            stop.set()
            assert len([frame for frame in source if frame is not None]) < 200
            assert "nothing came for" in source.skipped[0]
    finally:
        stop.set()
        sender.join()
