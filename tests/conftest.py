"""What tests of several folders share."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.exported_models import ExportedModels

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before a test imports ONNX Runtime by itself
if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core: more threads would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test hangs on the machine's speed.
settings.register_profile("any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_machine")


MINUTES_S = 3600  # that a test of minutes may take; pyproject.toml says it of all others


@pytest.hookimpl(trylast=True)  # after the order was drawn
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of slow tests, so that no process works on one alone at the end."""
    for item in items:
        if item.get_closest_marker("minutes"):
            item.add_marker(pytest.mark.timeout(MINUTES_S))
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: slow[item.path], reverse=True)


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Draw PyTorch's random numbers from one seed in every test, whatever ran before it."""
    if (torch := sys.modules.get("torch")) is not None:  # as it is where a test imports it first
        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def translations_are_read_once() -> None:
    """Spare every export but the first what takes it longer than a small network."""
    if "onnxscript" in sys.modules:  # as it is where a test imports edgeseg.export first
        from tests.translations import read_once

        read_once()


@pytest.fixture(scope="session", autouse=True)
def no_times_of_other_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache, and what it knows of this machine, out of the tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def candidates_are_measured_without_a_pause() -> Iterator[None]:
    """Build engines without the pauses that make times comparable: no test asks which candidate is faster."""
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr("edgeseg.engines.tuning.SETTLE_S", 0.0)
        yield


@pytest.fixture
def children_hear_signals() -> Iterator[None]:
    """Undo that programs inherit what is ignored; under nohup or in a shell's background they would hang."""
    handlers = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportedModels]:
    """Give portable models, each exported once: `exported(unet, 1, output_kind="labels").path`."""
    from tests.exported_models import ExportedModels  # imports torch, which the runtime's tests do without

    models = ExportedModels(of_all_processes(tmp_path_factory, "exported"))
    yield models
    models.check_unchanged()


def of_all_processes(factory: pytest.TempPathFactory, name: str) -> Path:
    """Give a folder of this run of the tests, the same one in every process that shares them."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # whose own folder lies within the run's
        folder = folder.parent
    folder /= name
    folder.mkdir(exist_ok=True)
    return folder
