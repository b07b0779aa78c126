"""Photograph the page of a running site for `docs/live-page.md`: python -m tools.docs.live_page ENGINE

Cameras that are drawn, and one that is down, run through an engine of the demo as `edgeseg run --config`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

PICTURE = Path(__file__).parents[2] / "docs" / "live-page.jpg"
CAMERAS = {"yard": 11, "ramp": 5, "dock": 8}  # seeds of their scenes, by name
DOWN = "[[streams]]\nname = 'gate'\nsource = 'rtsp://127.0.0.1:9/gate'\n"
RUN_S = 12.0  # until figures are steady
JPEG_QUALITY = 75


@click.command(help=__doc__)
@click.argument("engine", type=click.Path(exists=True, path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=PICTURE)
@click.option("--cameras", default=len(CAMERAS), help="That live; one more is down if there are several.")
@click.option("--width", default=1120, help="Of the window, in pixels.")
@click.option("--dark", is_flag=True)
@click.option("--track", is_flag=True, help="Follow instances, of engines that find them.")
def main(engine: Path, *, output: Path, cameras: int, width: int, dark: bool, track: bool) -> None:
    """Run a site and keep a picture of its page."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "site.toml"
        file.write_text(site(engine.resolve(), cameras, track))
        with running(file) as address, browser(width, dark) as driver:
            driver.get(address)
            time.sleep(RUN_S)
            fit(driver, width)
            png = np.frombuffer(driver.get_screenshot_as_png(), np.uint8)
    picture = cv2.imdecode(png, cv2.IMREAD_COLOR)
    assert picture is not None
    cv2.imwrite(str(output), picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def site(engine: Path, cameras: int, track: bool) -> str:
    """Write the settings of a site; what is drawn would give every frame, and a camera gives the newest."""
    more = "track = true\nscore_threshold = 0.5\n" if track else ""
    drawn = [
        f"[[streams]]\nname = '{name}'\nsource = 'synthetic:640x480?seed={seed}'\npolicy = 'latest'\n{more}"
        for name, seed in list(CAMERAS.items())[:cameras]
    ]
    down = [DOWN] if cameras > 1 else []
    return "\n".join([f"engine = '{engine}'\n[serve]\nport = 0\n", *drawn[:1], *down, *drawn[1:]])


@contextmanager
def running(file: Path) -> Iterator[str]:
    """Run the site until the block ends; give the address of its page."""
    command = [sys.executable, "-m", "edgeseg", "run", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if match := re.search(r"page: (\S+)", line):
                    yield match[1]
                    break
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def browser(width: int, dark: bool) -> Iterator[Any]:
    """Start Chromium with a window of this width."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    for argument in arguments:
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        fit(driver, width)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()


def fit(driver: Any, width: int) -> None:
    """Give the window this width, and the height of what it shows."""
    height = driver.execute_script("return document.body.scrollHeight")
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


if __name__ == "__main__":
    main()
