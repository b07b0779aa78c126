"""The commands and the lines of Python in the README and in docs/ do what their pages say.

Each block runs in a folder of its own that holds what its mark names, so that blocks need no order.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.cli import status_of
from tests.docs.blocks import ALL, ROOT, Block, distinct
from tests.docs.produced import check
from tests.docs.supplies import MAKERS, Supplies

pytest.importorskip("torchvision", reason="torchvision, of the dev extra, makes the weights")

VARIABLE = re.compile(r"([A-Z_]+)=(.*)")
OF_EXTRAS = {
    "openvino": "openvino",
    "mnn": "MNN",
    "ncnn": "ncnn",
    "tensorrt_rtx": "tensorrt_rtx",
    "auto": "openvino",
}  # backend -> module
OF_PROGRAMS = {"web": ("chromium", "npm")}  # backend -> what builds it besides


def _marked(block: Block) -> object:
    marks = [pytest.mark.minutes] if "minutes" in block.marks else [pytest.mark.slow]
    return pytest.param(block, id=str(block), marks=marks)


@pytest.mark.parametrize("block", [_marked(block) for block in distinct()])
def test_a_block_does_what_its_page_says(
    block: Block,
    supplies: Supplies,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in block.needs:
        supplies.put(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    if block.language == "python":
        exec(compile(block.run_as, str(block), "exec"), {"__name__": "__main__"})
        said = capsys.readouterr().out
    else:
        said = "".join(_run(block, command, tmp_path, capsys) for command in _commands(block))
    assert block.marks.get("says", "") in said


def test_every_block_is_run_or_says_why_not() -> None:
    for block in ALL:
        assert ("needs" in block.marks) != ("not run" in block.marks), f"{block}: mark it, see blocks.py"
        assert block.marks.get("not run", "a reason"), f"{block}: say why it is not run"
        assert {name.rstrip("/") for name in block.needs} <= set(MAKERS), f"{block}: see supplies.py"


def test_a_block_without_output_says_what_must_be_printed() -> None:
    """A block that writes nothing would be tested for its exit status alone."""
    for block in ALL:
        if "needs" in block.marks and "-o " not in block.code:
            assert block.marks.get("says"), f"{block}: add <!-- says: ... -->"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Those of docs/ are checked by `make docs`."""
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert links
    assert missing == []


def _commands(block: Block) -> list[list[str]]:
    lines = block.run_as.replace("\\\n", " ").splitlines()
    commands = [words for line in lines if (words := shlex.split(line, comments=True))]
    assert commands, f"{block} is empty"
    return commands


def _run(block: Block, words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run one command: those of the README as a user does, the others in this process, which is faster."""
    variables = {match[1]: match[2] for word in words if (match := VARIABLE.fullmatch(word))}
    program, *arguments = words[len(variables) :]
    assert program == "edgeseg", f"{block}: {program} is not run by this test"
    for backend in set(arguments) & set(OF_EXTRAS):
        pytest.importorskip(OF_EXTRAS[backend])
    for backend in set(arguments) & set(OF_PROGRAMS):
        if missing := [name for name in OF_PROGRAMS[backend] if shutil.which(name) is None]:
            pytest.skip(f"needs {' and '.join(missing)}")
    if block.page == "README.md":
        said = _in_a_process(arguments, folder, variables)
    else:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            status = status_of(arguments)
        out, err = capsys.readouterr()
        assert status == 0, f"{block}: {shlex.join(words)}\n{out}\n{err}"
        said = out
    check(arguments, folder)
    return said


def _in_a_process(arguments: list[str], folder: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edgeseg", *arguments],
        cwd=folder,
        env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
