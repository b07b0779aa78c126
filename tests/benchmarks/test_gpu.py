"""The benchmark of a GPU, rehearsed where there is none: fake steps, a fake GPU, and commands that exist."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest

pytest.importorskip("torch")

from benchmarks import gpu as benchmark
from benchmarks.gpu_steps import engine_timing, machine, preparing, torch_timing
from benchmarks.gpu_steps.places import KINDS, engine_of, model_of
from benchmarks.gpu_steps.plan import plan, preparation
from benchmarks.gpu_steps.running import Outcome, Step, run_process, run_steps, write_outcomes
from edgeseg.cli import app
from tests.docs.blocks import ROOT
from tests.engines.tensorrt.conftest import gpu, install  # noqa: F401 - fixtures
from tests.engines.tensorrt.fake_cuda import FakeCuda
from tests.engines.tensorrt.fake_tensorrt import write_fake_engine

FIGURES = {"p50 ms": 1.5, "p90 ms": 1.75, "p99 ms": 2.0, "samples": 100, "images/s": 666.0}
SHORT = {"seconds": 0.0, "warmup_s": 0.0}
WITHIN_S = 480.0
PROGRAMS = {each.__name__: each for each in (engine_timing, preparing, torch_timing)}


class FakeMachine:
    """Takes so many seconds for each command, and ends those that take longer than they may."""

    def __init__(self, **seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.ran: list[tuple[str, float]] = []

    def run(self, command: Sequence[str], limit_s: float) -> tuple[int | None, str]:
        (name,) = command
        self.ran.append((name, limit_s))
        takes = self.seconds[name]
        self.now += min(takes, limit_s)
        printed = "some words\n" + json.dumps({"graph on": FIGURES}) + "\n"
        if takes > limit_s:
            return None, printed
        return (1, printed + "what went wrong\n") if name == "fails" else (0, printed)

    def clock(self) -> float:
        return self.now


def _ignore(outcomes: Sequence[Outcome]) -> None:
    pass


def test_each_step_has_its_limit_and_a_failure_stops_nobody() -> None:
    fake = FakeMachine(quick=1, fails=2, hangs=1000, last=3)
    steps = [Step(name, (name,), 50) for name in fake.seconds]
    outcomes = run_steps(steps, 400, _ignore, run=fake.run, clock=fake.clock)
    assert [outcome.status for outcome in outcomes] == ["passed", "failed", "out of time", "passed"]
    assert fake.now == 1 + 2 + 50 + 3
    assert outcomes[1].detail == "what went wrong"
    assert outcomes[2].detail == "ended after 50 s; some words"
    assert all(outcome.figures == {"graph on": FIGURES} for outcome in outcomes)  # of the one that hung, too


def test_all_steps_end_within_the_time() -> None:
    fake = FakeMachine(first=1000, second=1000, third=1)
    steps = [Step(name, (name,), 60) for name in fake.seconds]
    outcomes = run_steps(steps, 100, _ignore, run=fake.run, clock=fake.clock)
    assert fake.ran == [("first", 60), ("second", 40)]
    assert (outcomes[2].status, outcomes[2].detail) == ("not begun", "no time was left")


def test_what_is_there_is_not_made_and_what_lacks_its_need_is_not_begun(tmp_path: Path) -> None:
    there = tmp_path / "engine"
    there.mkdir()
    fake = FakeMachine(used=1)
    steps = [
        Step("made", ("made",), 10, makes=there),
        Step("used", ("used",), 10, needs=(there,)),
        Step("lacks", ("lacks",), 10, needs=(tmp_path / "absent",)),
    ]
    outcomes = run_steps(steps, 100, _ignore, run=fake.run, clock=fake.clock)
    assert [outcome.status for outcome in outcomes] == ["there already", "passed", "not begun"]
    assert outcomes[2].detail == "without absent"


def test_the_report_is_whole_after_each_step(tmp_path: Path) -> None:
    report = tmp_path / "gpu.json"
    seen: list[int] = []

    def write(outcomes: Sequence[Outcome]) -> None:
        write_outcomes(report, {"gpu": None}, outcomes)
        seen.append(len(json.loads(report.read_text())["steps"]))

    fake = FakeMachine(first=1, fails=1)
    run_steps([Step(name, (name,), 9) for name in fake.seconds], 99, write, run=fake.run, clock=fake.clock)
    assert seen == [1, 2]
    assert list(tmp_path.iterdir()) == [report]


def test_a_program_that_is_not_there_is_a_failure_that_says_so() -> None:
    (outcome,) = run_steps([Step("absent", ("/nowhere/program",), 9)], 99, _ignore)
    assert outcome.status == "failed"
    assert "No such file" in outcome.detail


def test_a_process_is_ended_with_what_it_started_and_what_it_said_is_kept() -> None:
    status, printed = run_process(("sh", "-c", "echo said; sleep 600 & sleep 600"), 1.0)
    assert (status, printed) == (None, "said\n")


def test_a_process_that_ends_tells_its_status() -> None:
    assert run_process(("sh", "-c", "echo said; echo wrong >&2; exit 3"), 60.0) == (3, "said\nwrong\n")


def test_without_a_gpu_it_fails_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert benchmark.main([]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{machine.NO_GPU}\n")
    assert not list(tmp_path.iterdir())


def test_a_gpu_is_described_by_nvidia_smi(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA RTX A2000, 8.6, 580.1, 6144 MiB, 2100 MHz, 70.00 W'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.main() == 0
    told = json.loads(capsys.readouterr().out)
    assert told["gpu"]["name"] == "NVIDIA RTX A2000"
    assert told["gpu"]["power.limit"] == "70.00 W"
    assert "numpy" in told["versions"]


def test_a_driver_that_does_not_answer_is_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.gpu_facts() is None


@pytest.mark.parametrize("first", ["rtx", benchmark.OTHERWISE])
def test_every_step_can_be_begun(tmp_path: Path, first: str) -> None:
    """Its program exists and takes its arguments, and what it needs is made before."""
    made: set[Path] = set()
    steps = plan(tmp_path, ("8.6",), first=first)
    assert len({step.name for step in steps}) == len(steps)
    for step in steps:
        python, dash_m, module, *arguments = step.command
        assert (python, dash_m) == (sys.executable, "-m")
        assert importlib.util.find_spec(module) is not None, module
        assert set(step.needs) <= made, step.name
        if step.makes is not None:
            made.add(step.makes)
        if module == "edgeseg":
            _parse(*arguments)
        if module in PROGRAMS:
            PROGRAMS[module].parser().parse_args(arguments)
        if module == "pytest":
            paths = [ROOT / argument for argument in arguments if argument.startswith("tests/")]
            texts = [
                file.read_text()
                for path in paths
                for file in (path.rglob("*.py") if path.is_dir() else [path])
            ]
            assert any("pytest.mark.gpu" in text for text in texts), step.name


def _parse(command: str, *arguments: str) -> None:
    """Parse a command line of edgeseg, and run nothing."""
    found = app.get_command(click.Context(app), command)
    assert found is not None, command
    found.make_context(command, list(arguments))


def test_the_main_questions_come_first(tmp_path: Path) -> None:
    early = 0.0
    answered = []
    for step in plan(tmp_path):
        if not step.anywhere:  # those are prepared
            early += step.limit_s
            answered.append(step.name)
        if early > WITHIN_S:
            break
    text = " ".join(answered)
    for question in ("verify demo", "tests for TensorRT for RTX", "b1 rtx", "b8 rtx", "b1 torch", "b8 torch"):
        assert question in text


def test_every_gpu_test_is_in_a_step(tmp_path: Path) -> None:
    asked = [
        ROOT / argument
        for step in plan(tmp_path)
        for argument in step.command
        if argument.startswith("tests/")
    ]
    marked = [
        path
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"^@pytest\.mark\.gpu", path.read_text(), re.MULTILINE)
    ]
    missing = [path for path in marked if not any(path == each or each in path.parents for each in asked)]
    assert missing == []


def test_what_is_prepared_needs_no_gpu(tmp_path: Path) -> None:
    steps = preparation(tmp_path)
    assert steps
    assert all(step.makes is not None and KINDS["rtx"].anywhere for step in steps)
    assert all("rtx" in step.name or step.name.startswith("export") for step in steps)


def test_every_model_is_prepared(tmp_path: Path) -> None:
    """Also of the engines that are built on the GPU."""
    exported = {step.makes for step in preparation(tmp_path) if step.name.startswith("export")}
    made = [step.makes for step in plan(tmp_path) if step.name.startswith("make")]
    assert {engine.with_name("model.onnx") for engine in made if engine is not None} == exported


def test_a_gpu_that_tensorrt_for_rtx_does_not_know_loses_no_time_on_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "rtx_capabilities", lambda: ["8.6", "12.0"])
    monkeypatch.setattr(benchmark, "gpu_facts", lambda: {"name": "H100", "compute_cap": "9.0"})
    assert benchmark.main(["--list"]) == 0
    said = capsys.readouterr()
    assert "rtx" not in said.out
    assert "verify demo_unet b1 ort-cuda-fp16" in said.out
    assert "no compute capability 9.0; it has 8.6, 12.0" in said.err
    monkeypatch.setattr(benchmark, "gpu_facts", lambda: {"name": "RTX", "compute_cap": "8.6"})
    assert benchmark.main(["--list"]) == 0
    assert "verify demo_unet b1 rtx-fp16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "nonsense"], "no step has 'nonsense' in its name; --list names all"),
        (["--compute-capability", "banana"], "two numbers, such as 8.6, got 'banana'"),
        (["--json", "/dev/null/gpu.json"], "--json: cannot write /dev/null"),
    ],
)
def test_a_mistake_is_said_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.setattr(benchmark, "gpu_facts", lambda: {"name": "a GPU", "compute_cap": "8.6"})
    monkeypatch.setattr(benchmark, "run_steps", lambda *_: pytest.fail("it has begun"))
    with pytest.raises(SystemExit) as ended:
        benchmark.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_of_a_build_is_something_that_backends_know(kind: str) -> None:
    request = preparing.request_of(kind, "fp16", ("8.6",))
    assert request.backend == KINDS[kind].backend
    assert bool(request.options) == (kind == "rtx")


@pytest.mark.slow
def test_an_engine_is_prepared_without_a_gpu(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    model, engine = model_of(tmp_path, "demo_unet", 2), engine_of(tmp_path, "demo_unet", 2, "rtx", "fp32")
    preparing.export("demo_unet", 2, model)
    preparing.build(model, engine, preparing.request_of("rtx", "fp32", ("8.6",)))
    manifest = json.loads((engine / "manifest.json").read_text())
    assert manifest["backend"] == "tensorrt_rtx"
    assert manifest["spec"]["input"]["batch"] == 2


@pytest.mark.usefixtures("gpu")
def test_an_engine_is_timed_with_cuda_graphs_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine_timing.time_engine(write_fake_engine(tmp_path / "engine", (4, 6)), **SHORT)
    printed: dict[str, Any] = {}
    for line in capsys.readouterr().out.splitlines():
        printed |= json.loads(line)
    assert list(printed) == ["open s", "graph on", "graph off"]
    assert printed["graph off"].keys() == FIGURES.keys()


def test_work_that_is_queued_anew_gives_what_a_recording_gives(tmp_path: Path, gpu: FakeCuda) -> None:  # noqa: F811
    import numpy as np

    from edgeseg.engines.backend import open_backend
    from edgeseg.manifest import read_manifest

    folder = write_fake_engine(tmp_path / "engine", (4, 6))
    backend: Any = open_backend(folder, read_manifest(folder))
    image = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3), np.uint8)
    recorded, queued = backend.infer(image), engine_timing.queued_anew(backend, image)
    backend.close()
    for name, value in recorded.items():
        np.testing.assert_array_equal(queued[name], value)


def test_pytorch_is_timed_on_what_is_exported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the processor, where eager is all that is quick."""

    def fails(program: Any, example: Any) -> Any:
        raise RuntimeError("no compiler\nand a long story")

    monkeypatch.setattr(torch_timing, "WAYS", {"eager": torch_timing.WAYS["eager"], "compile": fails})
    torch_timing.time_network("demo_unet", 2, "fp32", "cpu", **SHORT)
    eager, compiled = map(json.loads, capsys.readouterr().out.splitlines())
    assert eager["torch eager"].keys() == FIGURES.keys()
    assert compiled == {"torch compile": "no compiler"}


def test_the_table_has_a_row_for_each_measurement_and_for_each_failure() -> None:
    outcomes = [
        Outcome("unet b1 rtx-fp16", "passed", 9, figures={"open s": 1, "graph on": FIGURES}),
        Outcome("unet b8 torch-fp16", "out of time", 75, "ended", {"torch eager": FIGURES}),
        Outcome("verify", "failed", 3, "labels differ"),
    ]
    lines = benchmark.table(outcomes)
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["unet", "b1", "rtx-fp16"],
        ["unet", "b8", "torch-fp16"],
    ]
    assert "1 of 3 steps passed" in lines
    assert lines[-1] == "  verify: failed; labels differ"


def test_a_rehearsal_writes_the_report_and_prints_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("sh", "-c", f"echo '{json.dumps({'graph on': FIGURES})}'")
    monkeypatch.setattr(benchmark, "plan", lambda *_, first: [Step("a", command, 60)])
    facts = {"name": "a GPU", "compute_cap": "8.6"}
    monkeypatch.setattr(benchmark, "gpu_facts", lambda: facts)
    report = tmp_path / "gpu.json"
    assert benchmark.main(["--json", str(report)]) == 0
    written = json.loads(report.read_text())
    assert written["gpu"] == facts
    assert written["steps"][0]["figures"] == {"graph on": FIGURES}
    assert "1 of 1 steps passed" in capsys.readouterr().out
