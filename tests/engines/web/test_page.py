"""The page in a real browser, from any web server: what a person sees and does."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.frames.preprocess import Preprocessor
from edgeseg.frames.semantic import semantic_result
from edgeseg.graph.running import open_run
from edgeseg.manifest import read_manifest
from edgeseg.scenes.scene import generate
from tests.engines.web.conftest import MakePage
from tests.export import small_networks

pytest.importorskip("selenium")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("needs chromium and chromium-driver", allow_module_level=True)
pytestmark = pytest.mark.slow

DEADLINE_S = 240.0
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SWIFTSHADER = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
NO_ADAPTER = "No available adapters."  # what Chromium itself says where a page asks for a GPU in vain
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Plain(http.server.SimpleHTTPRequestHandler):
    """What `python3 -m http.server` is."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Isolating(Plain):
    """A server that lets browsers give a page threads."""

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


@contextmanager
def served(folder: Path, handler: type[Plain] = Isolating) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class Visit:
    """A person at the page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def text(self, selector: str) -> str:
        return str(self.driver.find_element("css selector", selector).text)

    def wait(self, condition: Any) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, DEADLINE_S, poll_frequency=0.1).until(lambda _: condition())

    def click(self, name: str) -> None:
        self.driver.find_element("id", name).click()

    def give(self, path: Path) -> None:
        self.driver.find_element("id", "file").send_keys(str(path))

    def notes(self) -> list[str]:
        return [note.text for note in self.driver.find_elements("css selector", "#notes li")]

    def amounts(self) -> dict[str, str]:
        """Give what the legend says of each class."""
        rows = self.driver.find_elements("css selector", "#classes label")
        return {
            row.find_element("tag name", "span").text: row.find_element("tag name", "b").text for row in rows
        }

    def pixels(self) -> NDArray[np.uint8]:
        """Give the canvas, (H, W, 4)."""
        script = """
        const shown = document.querySelector('#canvas');
        const { height, width } = shown;
        const context = new OffscreenCanvas(width, height).getContext('2d');
        context.drawImage(shown, 0, 0);
        return [height, width, Array.from(context.getImageData(0, 0, width, height).data)];
        """
        height, width, data = self.driver.execute_script(script)
        return np.array(data, np.uint8).reshape(height, width, 4)


@contextmanager
def visiting(address: str, *arguments: str, screen: dict[str, Any] | None = None) -> Iterator[Visit]:
    """Open the page, wait until it is ready, and find nothing in the console at the end."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        if screen is not None:
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        driver.get(address)
        visit = Visit(driver)
        visit.wait(lambda: visit.text("#state").startswith(("ready", "not ready")))
        yield visit
        said = [entry["message"] for entry in driver.get_log("browser")]
        assert [message for message in said if not message.endswith(NO_ADAPTER)] == []
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def semantic(page_of: MakePage) -> Path:
    return page_of(small_networks.deeplab, output_kind="logits")


def picture(folder: Path, size_hw: tuple[int, int] = (120, 210)) -> tuple[Path, NDArray[np.uint8]]:
    frame = generate(500_001, size_hw).image
    path = folder / "picture.png"
    cv2.imwrite(str(path), frame)
    return path, frame


def test_a_picture_is_segmented_as_the_runtime_does(semantic: Path, tmp_path: Path) -> None:
    path, frame = picture(tmp_path)
    spec = read_manifest(semantic).spec
    image, placement = Preprocessor(spec.input)(frame)
    labels = semantic_result(open_run(semantic / "model.onnx")(image), placement).labels
    with served(semantic) as address, visiting(address) as visit:
        assert visit.text("#network") == "deeplab, semantic, 64 × 96, fp32"
        visit.give(path)
        found = visit.wait(lambda: any(visit.amounts().values()) and visit.amounts())
        for class_id, name in enumerate(spec.class_names):
            share = 100 * np.count_nonzero(labels == class_id) / labels.size
            shown = float(found[name].removesuffix(" %") or 0)
            assert abs(shown - share) < 0.11, name
        pixels = visit.pixels()[:, :, 2::-1]  # BGR
        assert pixels.shape == frame.shape
        palette = np.array(spec.palette_rgb)[:, ::-1]
        painted = labels != 0  # the background is black, and is left as it is
        expected = (frame.astype(float) + palette[labels]) / 2
        assert np.abs(pixels - expected)[painted].max() <= 2
        np.testing.assert_array_equal(pixels[~painted], frame[~painted])
        rows = visit.text("#times").splitlines()
        assert [row.rsplit(" ", 1)[0] for row in rows][-1] == "taken to shown"
        assert float(rows[-1].split()[-1]) > float(rows[2].split()[-1]) > 0  # more than to infer

        visit.driver.execute_script(
            "const o = document.querySelector('#opacity'); o.value = 0; o.dispatchEvent(new Event('input'))"
        )
        np.testing.assert_array_equal(visit.pixels()[:, :, 2::-1], frame)


@pytest.mark.minutes
def test_objects_have_boxes_and_numbers(page_of: MakePage) -> None:
    folder = page_of(small_networks.mask_rcnn, lowering="onnx")
    objects = json.loads((folder / "golden-1.objects.json").read_text())
    names = read_manifest(folder).spec.class_names
    with served(folder) as address, visiting(address) as visit:
        visit.click("example")
        visit.wait(lambda: visit.text("#times"))
        counts = {name: int(count or 0) for name, count in visit.amounts().items()}
        for class_id, name in enumerate(names):
            assert counts[name] == sum(one["category_id"] == class_id for one in objects)
        frame = cv2.imread(str(folder / "golden-1.png"))
        assert (visit.pixels()[:, :, 2::-1] != frame).any() == bool(objects)


@pytest.mark.minutes
def test_the_camera_and_pause(semantic: Path) -> None:
    with served(semantic) as address, visiting(address, *FAKE_CAMERA) as visit:
        visit.click("camera")
        visit.wait(lambda: "frames a second" in visit.text("#counts"))
        assert visit.pixels().shape[2] == 4
        visit.click("pause")
        assert visit.text("#pause") == "Continue"
        visit.click("pause")
        visit.click("example")  # which ends the camera
        visit.wait(lambda: not visit.text("#counts"))
        assert not visit.driver.find_element("id", "pause").is_displayed()


@pytest.mark.minutes
def test_a_video_plays_over_and_over(semantic: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "film.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for seed in range(5):
            frame = av.VideoFrame.from_ndarray(generate(seed, (120, 160)).image, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with served(semantic) as address, visiting(address) as visit:
        visit.give(path)
        visit.wait(lambda: "frames a second" in visit.text("#counts"))
        assert visit.pixels().shape == (120, 160, 4)


@pytest.mark.minutes
def test_what_is_no_picture_is_said(semantic: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with served(semantic) as address, visiting(address) as visit:
        visit.give(tmp_path / "text.png")
        visit.wait(lambda: visit.text("#problem") == "this browser cannot read the file as a picture")
        visit.click("example")
        visit.wait(lambda: visit.text("#times"))
        assert not visit.driver.find_element("id", "problem").is_displayed()


@pytest.mark.minutes
def test_a_plain_server_gives_one_thread_and_the_page_says_why(semantic: Path) -> None:
    with served(semantic, Plain) as address, visiting(address, "--disable-gpu") as visit:
        assert visit.text("#state") == "ready on WASM, 1 thread"
        assert visit.notes()[-1] == "one thread: this server does not isolate the page (COOP, COEP)"


def test_a_phone_shows_all_within_its_width(semantic: Path) -> None:
    with served(semantic) as address, visiting(address, screen=PHONE) as visit:
        visit.click("example")
        visit.wait(lambda: visit.text("#times"))
        assert visit.driver.execute_script(OVERFLOW) <= 0
        for name in ("camera", "example"):
            assert visit.driver.find_element("id", name).size["height"] >= 36  # px, to be hit by a finger


@pytest.mark.minutes
def test_webgpu_computes_where_it_agrees(page_of: MakePage) -> None:
    folder = page_of(small_networks.unet, output_kind="logits")
    with served(folder) as address, visiting(f"{address}?provider=webgpu", *SWIFTSHADER) as visit:
        assert visit.text("#state") == "ready on WebGPU"
        assert visit.notes()[0].startswith("GPU: ")
        visit.click("example")
        visit.wait(lambda: visit.text("#times"))


@pytest.mark.minutes
def test_webgpu_that_differs_falls_back(page_of: MakePage, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(page_of(small_networks.unet, output_kind="logits"), folder)
    labels = cv2.imread(str(folder / "golden-0.labels.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(folder / "golden-0.labels.png"), (labels + 1) % 3)
    with served(folder) as address, visiting(f"{address}?provider=webgpu", *SWIFTSHADER) as visit:
        assert visit.text("#state").startswith("ready on WASM")
        assert "only 0.0 % of the labels are right" in visit.notes()[0]


@pytest.mark.minutes
def test_a_software_gpu_is_left_alone(semantic: Path) -> None:
    with served(semantic) as address, visiting(address, *SWIFTSHADER) as visit:
        assert visit.text("#state").startswith("ready on WASM")
        assert visit.notes()[0].endswith("computes on the processor")


@pytest.mark.minutes
def test_a_folder_without_its_model_says_so(semantic: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(semantic, folder)
    (folder / "model.onnx").write_bytes(b"no graph")
    with served(folder) as address, visiting(address) as visit:
        assert visit.text("#state") == "not ready"
        assert visit.text("#problem")
