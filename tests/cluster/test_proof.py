"""A proof runs beside cameras: one at a time, and what it takes is not theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx, which makes the engine")

from edgeseg.cluster.load import Meter
from edgeseg.cluster.proof import GIVEN_UP, MOST_NICENESS, NICENESS, Proofs
from edgeseg.errors import EngineError
from edgeseg.runtime.profiling.memory import peak_bytes
from edgeseg.runtime.profiling.processor_time import read_processor_time
from tests.cluster.waiting import DEADLINE_S, until
from tests.runtime.tiny_models import labels_engine

NODE = """
import os, sys, threading, time
from pathlib import Path
from edgeseg.cluster.proof import Proofs
os.chdir(sys.argv[1])
proofs = Proofs()
threading.Thread(target=proofs.prove, args=(Path("engine"),), daemon=True).start()
while not proofs.processes:
    time.sleep(0.01)
time.sleep(0.5)
print(*proofs.processes, flush=True)
os._exit(0)
"""  # dies while it proves


def started(proofs: Proofs, folder: Path) -> tuple[threading.Thread, list[str]]:
    """Prove in a thread, and give it once the process is there, with what will be said."""
    said: list[str] = []

    def prove() -> None:
        try:
            proofs.prove(folder)
        except EngineError as error:
            said.append(str(error))

    before = proofs.processes
    thread = threading.Thread(target=prove)
    thread.start()
    until(lambda: set(proofs.processes) - set(before) or not thread.is_alive())
    return thread, said


def test_what_a_proof_takes_is_no_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeseg.cluster.load.SHORTEST_S", 0.0)
    proofs = Proofs()
    meter = Meter(2.0, proofs)
    began = read_processor_time(Path("/"), (0,))
    meter.measure([])
    thread, said = started(proofs, labels_engine(tmp_path / "engine"))
    (process,) = proofs.processes
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, process) == min(own + NICENESS, MOST_NICENESS)
    most_bytes = 0
    while proofs.processes:
        most_bytes = max(most_bytes, peak_bytes() - peak_bytes(but=(process,)))
        time.sleep(0.02)
    thread.join()
    assert most_bytes > 0
    assert "has no file 'golden" in said[0]
    ended, proofs_s = proofs.measure(lambda: read_processor_time(Path("/"), (0,)))
    assert proofs_s > 0
    assert ended.own_s - began.own_s - proofs_s < 0.5 * (ended.own_s - began.own_s)
    meter.measure([])
    assert meter.load.used < proofs_s / (ended.at_s - began.at_s)


def test_a_newer_proof_ends_the_older(tmp_path: Path) -> None:
    proofs = Proofs()
    older, of_older = started(proofs, labels_engine(tmp_path / "older"))
    newer, of_newer = started(proofs, labels_engine(tmp_path / "newer", (64, 96)))
    for thread in (older, newer):
        thread.join(DEADLINE_S)
    assert of_older == [GIVEN_UP]
    assert "has no file 'golden" in of_newer[0]
    assert proofs.processes == ()


def test_a_proof_ends_with_its_node(tmp_path: Path) -> None:
    (tmp_path / "edgeseg").mkdir()
    (tmp_path / "edgeseg/__init__.py").touch()  # else the one that is installed would come first
    (tmp_path / "edgeseg/__main__.py").write_text(f"import time\ntime.sleep({10 * DEADLINE_S})\n")
    node = [sys.executable, "-c", NODE, str(tmp_path)]
    process = int(subprocess.run(node, stdout=subprocess.PIPE, check=True, timeout=DEADLINE_S).stdout)
    command = Path(f"/proc/{process}/cmdline")
    until(lambda: not command.exists() or not command.read_bytes())  # nobody may take its status
