"""A window on a real screen: an OpenCV with windows, in an environment of its own, on a virtual X server."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.runtime.tiny_models import labels_engine

pytestmark = [
    pytest.mark.minutes,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="there is no Xvfb (Debian: apt install xvfb)"),
]

STARTS_S = 60.0
WIDTH, HEIGHT = 640, 480
INNER = slice(80, 240), slice(80, 300)  # of the screen: within the picture, below OpenCV's tool bar
ROOT = Path(__file__).parents[3]
KEY_Q = 24  # as X numbers the keys of a PC
KEY_PRESS, KEY_RELEASE, MOTION = 2, 3, 6  # kinds of X events


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what this one has, and in front of it an OpenCV with windows."""
    folder = tmp_path_factory.mktemp("windows")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    wheel = f"opencv-python=={cv2.__version__}.*"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--prefix", folder, wheel]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install {wheel}: {done.stderr.strip()[-200:]}")
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (own / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    return folder / "bin" / "python"


class Screen:
    """A virtual X server whose picture is a file, and whose keys are pressed by its extension XTEST."""

    def __init__(self, folder: Path) -> None:
        command = [
            "Xvfb",
            "-displayfd",
            "1",
            "-noreset",
            "-screen",
            "0",
            f"{WIDTH}x{HEIGHT}x24",
            "-fbdir",
            folder,
        ]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.server.stdout is not None
        number = self.server.stdout.readline().strip()
        self.display = f":{number}"
        self._picture = folder / "Xvfb_screen0"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(f"/tmp/.X11-unix/X{number}")
        self._socket.sendall(struct.pack("<cxHHHHxx", b"l", 11, 0, 0, 0))  # X11 without a password
        welcome = self._read(8)
        self._read(4 * struct.unpack_from("<H", welcome, 6)[0])
        self._socket.sendall(struct.pack("<BxHHxx", 98, 4, 5) + b"XTEST\0\0\0")  # QueryExtension
        self._extension = self._read(32)[9]

    def picture(self) -> np.ndarray:
        """Read the screen, (H, W, 3) BGR, from the dump that the server keeps up to date."""
        dump = self._picture.read_bytes()
        header = np.frombuffer(dump, ">u4", 25)
        pixels = np.frombuffer(dump, np.uint8, offset=int(header[0] + 12 * header[19]))
        return pixels[: 4 * WIDTH * HEIGHT].reshape(HEIGHT, WIDTH, 4)[..., :3]

    def press(self, key: int) -> None:
        """Move the pointer over the windows, whose place is the upper left corner, and press a key."""
        for kind, detail, x, y in ((MOTION, 0, 100, 100), (KEY_PRESS, key, 0, 0), (KEY_RELEASE, key, 0, 0)):
            event = struct.pack("<BBxxIIxxxxxxxxhhxxxxxxxx", kind, detail, 0, 0, x, y)
            self._socket.sendall(struct.pack("<BBH", self._extension, 2, 9) + event)

    def close(self) -> None:
        self._socket.close()
        self.server.terminate()
        self.server.communicate()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self._socket.recv(count - len(data))
        return data


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    opened = Screen(tmp_path)
    yield opened
    opened.close()


def until(happens: Callable[[], object], run: subprocess.Popen[str]) -> None:
    end_s = time.monotonic() + STARTS_S
    while not happens():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < end_s
        time.sleep(0.05)


def start(python: Path, folder: Path, display: str | None, *arguments: str) -> subprocess.Popen[str]:
    engine = labels_engine(folder / "engine")
    command = [python, "-m", "edgeseg", "run", engine, "synthetic:320x240", "--show", *arguments]
    environment: dict[str, Any] = {"PATH": "/usr/bin:/bin", **({"DISPLAY": display} if display else {})}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, cwd=folder, text=True, **streams)


@pytest.mark.usefixtures("children_hear_signals")
def test_frames_are_on_the_screen_and_q_ends_the_run(python: Path, screen: Screen, tmp_path: Path) -> None:
    with start(python, tmp_path, screen.display, "--policy", "every") as run:
        try:
            until(
                lambda: len(np.unique(screen.picture()[INNER].reshape(-1, 3), axis=0)) > 1000, run
            )  # a scene
            before = screen.picture()[INNER]
            until(lambda: (screen.picture()[INNER] != before).mean() > 0.1, run)  # it moves
            screen.press(KEY_Q)
            said, complaints = run.communicate(timeout=STARTS_S)
        finally:
            run.kill()
    assert run.returncode == 130, complaints
    assert "frames in" in said


def test_without_a_screen_the_run_ends_with_a_message(python: Path, tmp_path: Path) -> None:
    run = start(python, tmp_path, None, "-o", "x.mp4")
    _, complaints = run.communicate(timeout=STARTS_S)
    assert run.returncode == 1
    assert "error: OpenCV finds no screen to open a window on" in complaints
    assert not (tmp_path / "x.mp4").exists()
