"""Build a page: a folder for any web server, with the model, ONNX Runtime Web and the golden frames."""

from __future__ import annotations

from importlib.resources import files

from edgeseg.engines.backend import written
from edgeseg.engines.building.golden_files import golden_files
from edgeseg.engines.job import BuildJob
from edgeseg.engines.tuning import Measured
from edgeseg.engines.web.browser import require_browser, version_of
from edgeseg.engines.web.facts import BROWSER
from edgeseg.engines.web.options import BuildOptions, EngineOptions
from edgeseg.engines.web.runtime_files import FILES, put_runtime
from edgeseg.manifest import Manifest

MODEL_FILE = EngineOptions.model_file


def fill_engine(job: BuildJob) -> tuple[Manifest, list[Measured]]:
    """Write the folder; see `FillEngine`. Nothing is measured.

    Raises:
        EngineError: if there is no browser to prove it in, or no ONNX Runtime Web.
    """
    browser = require_browser()  # before anything is fetched
    version = put_runtime(job.staging, job.request.options_as(BuildOptions).runtime, job.on_step)
    golden = golden_files(job.model, job.seeds) if job.seeds else {}  # that the page holds a GPU against
    contents = {MODEL_FILE: job.model.to_bytes(), **page_files(), **golden}
    for name, data in contents.items():
        (job.staging / name).write_bytes(data)
    manifest = Manifest(
        backend="web",
        backend_version=version,
        precision=job.request.precision,
        device=job.request.device or BROWSER,
        spec=job.spec,
        model_sha256=job.model_sha256,
        files=dict.fromkeys([*contents, *FILES], ""),
        options=written(
            EngineOptions,
            model_file=MODEL_FILE,
            threads=job.request.threads or 0,
            proven_in=version_of(browser) or str(browser),
        ),
    )
    return manifest, []


def page_files() -> dict[str, bytes]:
    """Give the page as edgeseg ships it, by the names of its files."""
    folder = files("edgeseg.engines.web").joinpath("assets/page")
    return {file.name: file.read_bytes() for file in folder.iterdir()}
