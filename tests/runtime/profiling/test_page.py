"""The page of a profile: what it says, and how a browser shows it on a phone and on a desk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeseg.runtime.profiling.comparison_page import comparison_page
from edgeseg.runtime.profiling.page import html_page
from edgeseg.runtime.profiling.report import Profile

from .full_profiles import comparison_of, profile_of

PHONE, DESK = (360, 740), (1440, 900)
HOSTILE = (
    "<script>document.title = 'taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "</style></svg></title><h1>not a heading</h1>",
    "&lt;b&gt; 'quoted' \"twice\"",
    "conv\u202egpj.exe",
    "طبقة الالتفاف",
    "nul\x00 and half \ud800",
    "a" * 300,
)
HIDDEN = {"\u202e": "\\u202e", "\x00": "\\u0000", "\ud800": "\\ud800"}
PAGES = {  # and how many charts each has
    "one engine": (lambda: html_page(profile_of()), 6),
    "cameras": (lambda: html_page(profile_of(streams=4)), 6),
    "engines": (lambda: comparison_page(comparison_of(a=1.0, b=1.3), ("unet-int8", "unet-fp32")), 3),
}
SIDEWAYS = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
PLOTS = """
return Array.from(document.querySelectorAll('svg.plot')).map((plot) => {
  const box = plot.getBoundingClientRect();
  const marks = Array.from(plot.querySelectorAll('.area, .point, .line')).map((mark) => {
    const own = mark.getBoundingClientRect();
    return [own.width + own.height, own.left >= -1 && own.right <= innerWidth + 1];
  });
  return { name: plot.getAttribute('aria-label'), width: box.width, height: box.height, marks };
});
"""
TEXTS_OUTSIDE = """
return Array.from(document.querySelectorAll('text, p, td, th, li, h1, h2, h3')).filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width > 0 && (box.left < -1 || box.right > innerWidth + 1);
}).map((each) => each.textContent);
"""


def test_it_says_what_was_measured_and_how_sure_it_is() -> None:
    text = html_page(profile_of())
    profile = profile_of()
    for said in (
        "unet-int8",
        "onnxruntime 1.32.0",
        f"{profile.latency_ms.p50:.1f} ms",
        "wants 662",
        "Capture to result: from a frame in memory to its result in memory.",
        "Others took 31 % of the cores.",
        "encoder.stage0.block0",
        "memory, 11.2 GB/s",
    ):
        assert said in text, said


def test_it_is_made_of_the_report_alone() -> None:
    profile = profile_of()
    read = Profile.from_json_value(json.loads(json.dumps(profile.to_json_value())))
    assert html_page(read) == html_page(profile)


def test_a_calm_run_says_so_and_an_unwatched_one_too() -> None:
    assert "Nothing that was watched disturbed the run." in html_page(profile_of(disturbed=False))
    assert "were not watched" in html_page(replace(profile_of(), surroundings=None))


def test_a_disturbance_that_a_warning_tells_is_told_once() -> None:
    profile = profile_of()
    assert profile.surroundings is not None
    (disturbance,) = profile.surroundings.disturbances
    text = html_page(replace(profile, warnings=(f"the run was disturbed: {disturbance.text}",)))
    assert text.lower().count(disturbance.text) == 1


def test_what_a_report_lacks_is_left_out() -> None:
    profile = replace(
        profile_of(1, layers=False), timeline=(), energy=None, load_ms=None, first_result_ms=None, warnings=()
    )
    text = html_page(profile)
    assert "Layers" not in text
    assert "Stages of single frames" not in text
    assert "to load the engine" not in text


def test_several_cameras_have_a_row_each() -> None:
    text = html_page(profile_of(streams=3))
    assert ">Camera</p>" in text
    assert "3 cameras" in text


def test_durations_far_out_are_told_in_words() -> None:
    profile = profile_of()
    samples = (*profile.samples_ms["latency_ms"][:-1], 900.0)
    latency = replace(profile.latency_ms, max=900.0)
    text = html_page(replace(profile, latency_ms=latency, samples_ms={"latency_ms": samples}))
    assert "beyond p99, up to 900 ms" in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("selenium", reason="needs selenium")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def _show(driver: Any, page: Path, size: tuple[int, int]) -> list[str]:
    """Open a page at a size of the window in pixels; gives the addresses that were asked."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < height}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for log in ("browser", "performance"):
        driver.get_log(log)  # of the page before
    driver.get(page.as_uri())
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_every_chart_and_asks_nobody(
    browser: Any, tmp_path: Path, size: tuple[int, int], name: str
) -> None:
    page = tmp_path / "profile.html"
    text, plots_of_it = PAGES[name]
    page.write_text(text(), encoding="utf-8")
    assert [url for url in _show(browser, page, size) if not url.startswith("data:")] == [page.as_uri()]
    assert browser.get_log("browser") == []
    assert browser.execute_script(SIDEWAYS) == 0
    assert browser.execute_script(TEXTS_OUTSIDE) == []
    plots = browser.execute_script(PLOTS)
    assert len(plots) == plots_of_it
    for plot in plots:
        assert plot["width"] > 250, plot["name"]
        assert plot["height"] > 200, plot["name"]
        assert plot["marks"], plot["name"]
        assert all(extent > 0 and inside for extent, inside in plot["marks"]), plot["name"]


@pytest.mark.slow
def test_hostile_names_are_shown_as_text(browser: Any, tmp_path: Path) -> None:
    page = tmp_path / "profile.html"
    profile = replace(profile_of(names=HOSTILE), engine=HOSTILE[0], source=HOSTILE[1], warnings=HOSTILE)
    page.write_text(html_page(profile), encoding="utf-8")
    _show(browser, page, PHONE)
    assert browser.get_log("browser") == []
    assert browser.title == HOSTILE[0]
    assert browser.execute_script("return document.scripts.length + document.images.length") == 0
    assert browser.execute_script(SIDEWAYS) == 0
    assert browser.execute_script("return document.querySelectorAll('h1').length") == 1
    names = browser.execute_script(
        "return Array.from(document.querySelectorAll('td bdi')).map((name) => name.textContent)"
    )
    for name in map(_visible, HOSTILE):
        assert name in names  # of its operator and of its module
        assert any(shown.endswith(f"  {name}") for shown in names)


def _visible(name: str) -> str:
    for hidden, code in HIDDEN.items():
        name = name.replace(hidden, code)
    return name
