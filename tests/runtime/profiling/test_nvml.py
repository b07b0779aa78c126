"""NVIDIA's GPUs are asked by the library of NVIDIA's own, where it is; here a stand-in for it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from edgeseg.runtime.profiling.nvml import GpuMeter, Gpus


class NVMLError(Exception):
    """What the library raises."""


class FakeNvml(ModuleType):
    """Two GPUs, of which the second tells neither energy nor reasons."""

    NVMLError = NVMLError
    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.energy_mj = 5_000
        self.reasons = 0x01  # idle
        self.is_open = False

    def nvmlInit(self) -> None:  # noqa: N802 - its names
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return ("Orin", "K80")[handle]

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:  # noqa: N802
        assert kind == self.NVML_CLOCK_SM
        return (1300, 800)[handle]

    def nvmlDeviceGetTemperature(self, handle: int, kind: int) -> int:  # noqa: N802
        assert kind == self.NVML_TEMPERATURE_GPU
        return (55, 60)[handle]

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:  # noqa: N802
        if handle == 1:
            raise NVMLError("not supported")
        return self.reasons

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if handle == 1:
            raise NVMLError("not supported")
        return self.energy_mj


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def test_each_gpu_tells_what_it_can(nvml: FakeNvml) -> None:
    gpus = Gpus()
    assert gpus.clock_mhz() == 1300.0
    assert gpus.temperatures_c() == {"GPU 0 Orin": 55.0, "GPU 1 K80": 60.0}
    assert not any(gpus.throttling_flags().values())  # an idle GPU is not throttled
    nvml.reasons = 0x24
    assert [name for name, is_set in gpus.throttling_flags().items() if is_set] == [
        "GPU 0 Orin: power cap",
        "GPU 0 Orin: thermal slowdown",
    ]
    gpus.close()
    assert not nvml.is_open
    assert gpus.temperatures_c() == {}


def test_energy_is_counted_from_the_begin(nvml: FakeNvml) -> None:
    gpus = Gpus()
    meter = GpuMeter(gpus, "GPU 0 Orin")
    nvml.energy_mj += 2_500
    assert meter.read(1.0)
    assert meter.joules == pytest.approx(2.5)


def test_without_the_library_or_its_driver_there_are_no_gpus(
    monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml
) -> None:
    def refuse() -> None:
        raise NVMLError("driver not loaded")

    monkeypatch.setattr(nvml, "nvmlInit", refuse)
    assert Gpus().temperatures_c() == {}
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpus = Gpus()
    assert (gpus.clock_mhz(), gpus.throttling_flags(), gpus.joules()) == (None, {}, {})
    gpus.close()
