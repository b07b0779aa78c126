"""`make bench` runs its parts one by one, and its page keeps what was measured, whatever fails later."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmarks import everything
from benchmarks.parts.limited import Ended
from benchmarks.parts.standing import BEGIN, END, read_blocks
from benchmarks.peers.rows import ROWS
from tests.docs.blocks import ROOT


class Parts:
    """Runs no program: says what it was asked for, or fails, or takes too long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.commands: list[list[str]] = []
        self.ends: dict[str, Ended] = {}
        self.page = folder / "README.md"
        self.page.write_text(f"{BEGIN}\n{END}\n")
        self._folder, self._monkeypatch = folder, monkeypatch
        monkeypatch.setattr(everything, "run_limited", self._run)

    def _run(self, command: list[str], limit_s: float, **_: object) -> Ended:
        name = command[2].removeprefix("benchmarks.")
        self.commands.append([name, *command[3:]])
        return self.ends.get(name, Ended(0, f"{name} measured {len(self.commands)}\n", ""))

    def main(self, *arguments: str) -> dict[str, str]:
        given = ["--work", self._folder / "work", "--page", self.page, "--picture", self._folder / "p.html"]
        self._monkeypatch.setattr("sys.argv", ["everything", *map(str, given), *arguments])
        everything.main()
        return {title: block.text for title, block in read_blocks(self.page).items()}


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Parts:
    return Parts(monkeypatch, tmp_path)


def test_a_part_that_fails_says_why_and_the_others_stand(parts: Parts) -> None:
    parts.ends["crf"] = Ended(
        1, "ours 12\n", "Traceback\nModuleNotFoundError: No module named 'pydensecrf'\n"
    )
    parts.ends["growth"] = Ended(None, "frame 1\n", "")
    blocks = parts.main("--rows", "demo_unet")
    assert (
        blocks["The CRF, two threads"] == "ours 12\nfailed: ModuleNotFoundError: No module named 'pydensecrf'"
    )
    assert blocks["How time and memory grow"] == "frame 1\nended after 600 s, unfinished"
    assert blocks["Frame to result against every engine: demo_unet"].startswith("engines measured")
    assert len(blocks) == len(everything.QUICK) + 1


def test_parts_that_are_run_alone_leave_the_others_on_the_page(parts: Parts) -> None:
    before = parts.main("--only", "footprint", "growth")
    after = parts.main("--only", "growth")
    assert after["What a device needs"] == before["What a device needs"] == "footprint measured 1"
    assert (before["How time and memory grow"], after["How time and memory grow"]) == (
        "growth measured 2",
        "growth measured 3",
    )


def test_what_there_was_no_time_for_says_so_or_keeps_what_was_measured(parts: Parts) -> None:
    assert parts.main("--only", "footprint") == {"What a device needs": "footprint measured 1"}
    blocks = parts.main("--minutes", "0", "--only", "footprint", "crf")
    assert blocks["What a device needs"] == "footprint measured 1"
    assert blocks["The CRF, two threads"] == "not run: the time was over"


def test_a_page_says_its_command_without_places_of_this_machine(parts: Parts, tmp_path: Path) -> None:
    parts.main("--only", "growth", "engines", "--rows", "demo_unet")
    (_, *flags), (_, *of_engines) = parts.commands
    assert flags == ["--json", str(tmp_path / "work" / "growth.json")]
    assert of_engines[:2] == ["--rows", "demo_unet"]
    assert of_engines[of_engines.index("--work") + 1] == str(tmp_path / "work")
    text = parts.page.read_text()
    assert '`python -m benchmarks.engines --rows demo_unet --rounds 7 --peers "edgeseg auto" torch ' in text
    assert str(tmp_path) not in text


def test_every_part_is_there_and_every_network_has_its_turn() -> None:
    assert all((ROOT / "benchmarks" / f"{part.name}.py").is_file() for part in everything.QUICK)
    assert sorted(everything.SMALL_FIRST) == sorted(ROWS)
