"""The page in a real browser: what a person at a site sees and does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from edgeseg.runtime.serve import app
from edgeseg.runtime.serve.live import LiveSink
from edgeseg.runtime.serve.server import Server

from .sites import CLASSES, GATE, YARD, semantic_frame, site

for needed in ("starlette", "uvicorn", "prometheus_client", "selenium"):
    pytest.importorskip(needed, reason="needs the extra serve, and selenium")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("needs chromium and chromium-driver", allow_module_level=True)
pytestmark = pytest.mark.slow

DEADLINE_S = 60.0
LEFT_RED_GREEN_BLUE = """
const canvas = document.querySelector('[data-stream="gate"] canvas');
if (!canvas || canvas.width !== 64) return null;
return Array.from(canvas.getContext('2d').getImageData(10, 24, 1, 1).data.slice(0, 3));
"""
NOISE = """
for (const kind of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
  const read = kind.prototype.getImageData;
  kind.prototype.getImageData = function (left, top, width, height) {
    const image = read.call(this, left, top, width, height);
    if (width > 1) image.data.fill(2); // a page's own reading, and not that of this test
    return image;
  };
}
"""


@contextmanager
def _browser() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def _wait(driver: Any, condition: Any) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, DEADLINE_S, poll_frequency=0.05).until(condition)


def _left(driver: Any) -> list[int] | None:
    """The colour of a pixel of the left half of the live picture, None before there is one."""
    return driver.execute_script(LEFT_RED_GREEN_BLUE)


def _is_grey(colour: list[int] | None) -> bool:
    return colour is not None and max(abs(part - 100) for part in colour) <= 3


def _is_painted(colour: list[int] | None) -> bool:
    return colour is not None and not _is_grey(colour)


def test_the_overlay_lives_and_its_classes_can_be_switched_off() -> None:
    view = LiveSink()
    view.write(*semantic_frame(0, 1), None)
    served = site({"gate": view, "yard": LiveSink()})
    with Server(served, port=0, tell=lambda line: None) as server, _browser() as driver:
        driver.get(server.address)
        first = _wait(driver, lambda _: (colour := _left(driver)) and _is_painted(colour) and colour)
        assert driver.find_element("id", "summary").text == "1 of 2 live"
        assert "waiting" in driver.find_element("css selector", '[data-stream="yard"] .state').text

        view.write(*semantic_frame(1, 2), None)  # the picture changes with the result
        second = _wait(driver, lambda _: (colour := _left(driver)) != first and colour)
        assert _is_painted(second)

        switches = driver.find_elements("css selector", "#classes input")
        switches[-1].click()  # the class that the left half has now
        assert _is_grey(_left(driver))
        switches[-1].click()
        assert _left(driver) == second

        driver.execute_script(
            "const o = document.querySelector('#opacity'); o.value = 0; o.dispatchEvent(new Event('input'))"
        )
        assert _is_grey(_left(driver))
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_browser_that_adds_noise_to_what_a_page_reads_shows_the_right_classes() -> None:
    """Some do against fingerprinting; here all that a page reads of a canvas is changed."""
    with Server(site(), port=0, tell=lambda line: None) as server, _browser() as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NOISE})
        driver.get(server.address)
        red, green, blue = _wait(driver, lambda _: _left(driver))
        assert red > green > blue  # the car's colour on grey


def test_cameras_that_are_down_keep_no_picture_from_the_one_that_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A browser opens six connections to a server, and these cameras are more."""
    monkeypatch.setattr(app, "LONGEST_WAIT_S", 2 * DEADLINE_S)
    down = [replace(YARD, name=f"yard {number}") for number in range(8)]
    views = {stream.name: LiveSink() for stream in (*down, GATE)}
    served = app.Served(CLASSES, lambda: (*down, GATE), lambda: views)
    with Server(served, port=0, tell=lambda line: None) as server, _browser() as driver:
        driver.get(server.address)
        _wait(driver, lambda _: len(driver.find_elements("css selector", "article")) == len(views))
        views["gate"].write(*semantic_frame(0, 1), None)
        first = _wait(driver, lambda _: _is_painted(_left(driver)) and _left(driver))
        views["gate"].write(*semantic_frame(1, 2), None)
        _wait(driver, lambda _: _left(driver) != first)


def test_another_engine_brings_its_classes() -> None:
    served = site()
    with Server(served, port=0, tell=lambda line: None) as server, _browser() as driver:
        driver.get(server.address)
        _wait(driver, lambda _: "car" in driver.find_element("id", "classes").text)
        served.spec = replace(CLASSES, class_names=("background", "boat", "tree"))
        _wait(driver, lambda _: "boat" in driver.page_source)
        assert "car" not in driver.find_element("id", "classes").text


def test_two_clients_see_the_same_and_switch_for_themselves() -> None:
    view = LiveSink()
    view.write(*semantic_frame(0, 1), None)
    with Server(site({"gate": view}), port=0, tell=lambda line: None) as server, _browser() as driver:
        driver.get(server.address)
        painted = _wait(driver, lambda _: (colour := _left(driver)) and _is_painted(colour) and colour)
        driver.find_elements("css selector", "#classes input")[0].click()
        assert _is_grey(_left(driver))
        driver.switch_to.new_window("tab")
        driver.get(server.address)
        assert _wait(driver, lambda _: _left(driver)) == painted


def test_the_page_asks_for_the_token_and_then_shows_the_streams() -> None:
    with Server(site(), host="0.0.0.0", port=0, tell=lambda line: None) as server, _browser() as driver:
        driver.get(server.address.replace("0.0.0.0", "127.0.0.1"))
        field = _wait(driver, lambda _: driver.find_element("name", "token"))
        _wait(driver, lambda _: field.is_displayed())
        field.send_keys("wrong\n")
        _wait(driver, lambda _: driver.find_elements("css selector", "#wrong:not([hidden])"))
        driver.find_element("name", "token").send_keys(f"{server.token}\n")
        _wait(driver, lambda _: _is_painted(_left(driver)))
