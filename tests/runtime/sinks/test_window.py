"""The window: what OpenCV is asked to show, what its keys do, and what is said where there can be none."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edgeseg.cli import status_of
from edgeseg.errors import SinkError
from edgeseg.frames.results import SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks import window
from edgeseg.runtime.sinks.window import WindowSink
from tests.runtime.tiny_models import labels_engine

HEADLESS = re.search(r"GUI:\s+NONE", cv2.getBuildInformation()) is not None
FRAME = Frame(np.zeros((4, 6, 3), np.uint8), 0, time.monotonic())
RESULT = SemanticResult(np.zeros((4, 6), np.uint8))
NO_KEY = -1


class Windows:
    """OpenCV's windows: by title what each shows, and the keys that are pressed, one a wait."""

    def __init__(self) -> None:
        self.shown: dict[str, np.ndarray] = {}
        self.frames = 0
        self.keys: list[int] = []
        self.waits_ms: list[int] = []
        self.screen = True

    def imshow(self, title: str, image: np.ndarray) -> None:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        self.shown[title] = image.copy()
        self.frames += 1

    def waitKey(self, delay_ms: int) -> int:  # noqa: N802 - OpenCV's name
        assert delay_ms > 0, "0 waits for ever"
        self.waits_ms.append(delay_ms)
        return self.keys.pop(0) if self.keys else NO_KEY

    def destroyAllWindows(self) -> None:  # noqa: N802 - OpenCV's name
        self.shown.clear()

    def namedWindow(self, command: list[str], **_: Any) -> SimpleNamespace:  # noqa: N802 - OpenCV's name
        """Open a window in another process, which Qt ends by SIGABRT where there is no screen."""
        assert "namedWindow" in command[-1]
        return SimpleNamespace(returncode=0 if self.screen else -6)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Windows:
    fake = Windows()
    for name in ("imshow", "waitKey", "destroyAllWindows"):
        monkeypatch.setattr(cv2, name, getattr(fake, name))
    monkeypatch.setattr(window, "subprocess", SimpleNamespace(run=fake.namedWindow))
    return fake


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the main thread."""
    asked: list[str] = []
    monkeypatch.setattr(window._thread, "interrupt_main", lambda: asked.append("interrupt"))
    return asked


def overlay(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


def test_the_window_shows_the_newest_overlay_until_it_is_closed(windows: Windows, ended: list[str]) -> None:
    with WindowSink() as sink:
        assert sink.needs_overlay
        for value in (10, 20, 30):
            sink.write(FRAME, RESULT, overlay(value))
        np.testing.assert_array_equal(windows.shown["edgeseg"], overlay(30))
        assert len(windows.waits_ms) == 3  # it is drawn in the wait
    assert windows.shown == {}
    assert ended == []
    sink.close()


@pytest.mark.parametrize(("key", "ends"), [(ord("q"), 1), (27, 1), (ord("w"), 0), (NO_KEY, 0)])
def test_q_and_escape_end_the_run(key: int, ends: int, windows: Windows, ended: list[str]) -> None:
    windows.keys = [key]
    with WindowSink() as sink:
        sink.write(FRAME, RESULT, overlay(0))
        sink.write(FRAME, RESULT, overlay(0))
    assert ended == ["interrupt"] * ends


@pytest.mark.usefixtures("children_hear_signals")
@pytest.mark.usefixtures("children_hear_signals")
def test_a_run_shows_every_frame_and_q_ends_it_as_ctrl_c_does(
    windows: Windows, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = labels_engine(tmp_path / "engine")
    assert status_of(["run", str(engine), "synthetic:64x48?frames=5", "--show"]) == 0
    assert windows.frames == 5
    windows.keys = [NO_KEY, NO_KEY, ord("q")]
    arguments = ["run", str(engine), "synthetic:64x48", "--policy", "every", "--show"]
    assert status_of(arguments) == 130
    assert windows.shown == {}
    assert "frames in" in capfd.readouterr().out


@pytest.mark.skipif(not HEADLESS, reason="this OpenCV has windows")
def test_an_opencv_without_windows_says_what_to_install_before_a_frame_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = labels_engine(tmp_path / "engine")
    video = tmp_path / "x.mp4"
    assert status_of(["run", str(engine), "synthetic:64x48", "-o", str(video), "--show"]) == 1
    said = capfd.readouterr()
    assert "this OpenCV cannot open windows; run: pip uninstall opencv-python-headless" in said.err
    assert "frames in" not in said.out
    assert not video.exists()


def test_without_a_screen_there_is_a_message_instead_of_an_abort(windows: Windows) -> None:
    windows.screen = False
    with pytest.raises(SinkError, match="finds no screen"):
        WindowSink()


def test_a_window_that_fails_later_ends_the_run(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(title: str, image: np.ndarray) -> None:
        cv2.cvtColor(image[:0], cv2.COLOR_BGR2GRAY)  # an error of OpenCV's own

    with WindowSink() as sink:
        monkeypatch.setattr(cv2, "imshow", fails)
        with pytest.raises(SinkError, match=r"window cannot be shown: .*!_src.empty.*; write a file"):
            sink.write(FRAME, RESULT, overlay(0))


def test_an_overlay_is_wanted(windows: Windows) -> None:
    with pytest.raises(ValueError, match="needs the overlay"):
        WindowSink().write(FRAME, RESULT, None)
