from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import av
import numpy as np
import pytest

from edgeseg.errors import SinkError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks import open_sink
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.broadcast import LISTED_SEGMENTS

from ..fakes import SEMANTIC, GreyFrames

RESULT = SemanticResult(np.zeros((48, 64), np.uint8))
LIVE, RECORDED = GreyFrames([1], live=True, fps=10.0), GreyFrames([1], fps=10.0)
DEADLINE_S = 60.0


def _write(sink: Sink, first: int, last: int) -> None:
    for index in range(first, last):
        frame = Frame(np.zeros((48, 64, 3), np.uint8), index, 100.0 + index / 10)
        sink.write(frame, RESULT, np.full((48, 64, 3), index % 256, np.uint8))


def _takes(sink: Sink, index: int) -> bool:
    try:
        _write(sink, index, index + 1)
    except SinkError:
        return False
    return True


def _segments(playlist: Path) -> list[str]:
    return [line for line in playlist.read_text().splitlines() if not line.startswith("#")]


def test_a_live_playlist_is_bounded_and_old_segments_go(tmp_path: Path) -> None:
    path = tmp_path / "x.m3u8"
    with open_sink(path, SEMANTIC, LIVE) as sink:
        _write(sink, 0, 300)
        assert len(_segments(path)) <= LISTED_SEGMENTS
        assert len(list(tmp_path.glob("*.ts"))) <= LISTED_SEGMENTS + 3
    assert "#EXT-X-ENDLIST" in path.read_text()
    listed = _segments(path)
    assert all((tmp_path / name).is_file() for name in listed)
    with av.open(str(tmp_path / listed[0])) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert len(list(container.decode(video=0))) == 20
    (tmp_path / "x-1.ts").write_bytes(b"not of that run")
    with open_sink(path, SEMANTIC, LIVE) as sink:
        _write(sink, 0, 30)
    assert not any((tmp_path / name).exists() for name in set(listed) - set(_segments(path)))
    assert (tmp_path / "x-1.ts").exists()


def test_a_recordings_playlist_keeps_all(tmp_path: Path) -> None:
    with open_sink(tmp_path / "x.m3u8", SEMANTIC, RECORDED) as sink:
        _write(sink, 0, 300)
    with av.open(str(tmp_path / "x.m3u8")) as container:
        assert len(list(container.decode(video=0))) == 300


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg (Debian: apt install ffmpeg)")
def test_video_is_pushed_to_a_server_that_comes_later(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sink = open_sink(f"rtsp://127.0.0.1:{port}/x?key=secret", SEMANTIC, LIVE)
    with pytest.raises(
        SinkError, match=r"cannot send to rtsp://127.0.0.1:\d+/x: Connection refused"
    ) as caught:
        _write(sink, 0, 1)
    assert "secret" not in repr(caught.value.__context__) + str(caught.value)
    target = tmp_path / "got.mkv"
    url = f"rtsp://127.0.0.1:{port}/x"
    command = ["ffmpeg", "-v", "quiet", "-rtsp_flags", "listen", "-i", url, "-c", "copy", str(target)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    end_s, index = time.monotonic() + DEADLINE_S, 1
    while index < 60:
        if _takes(sink, index):
            index += 1
        else:  # it is not listening yet
            assert time.monotonic() < end_s
            time.sleep(0.05)
    sink.close()
    server.wait(DEADLINE_S)
    with av.open(str(target)) as container:
        assert sum(packet.size > 0 for packet in container.demux(video=0)) > 40
