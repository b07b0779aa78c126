"""The budget is one, is raised in one way, and says how."""

from __future__ import annotations

import pytest

from edgeseg.cli import status_of
from edgeseg.errors import EngineError, UsageError
from edgeseg.limits import VARIABLE, Limits, adopt, current, parse, refuse_above


def test_what_is_not_named_keeps_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "bytes=8G, pixels=500m,width=7")
    assert current() == Limits(bytes=8 << 30, pixels=500 << 20, width=7)
    monkeypatch.delenv(VARIABLE)
    assert current() == Limits()


def test_those_of_another_command_are_adopted_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "bytes=1")
    for limits in (Limits(), Limits(bytes=1 << 60, pixels=3)):
        adopt(limits)
        assert current() == limits


@pytest.mark.parametrize(
    "text", ["bytes", "bytes=", "bytes=-1", "bytes=0", "bytes=8T", "size=1", "bytes=1e9"]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="limit"):
        parse(text)


def test_the_message_holds_the_fix_and_the_fix_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError) as caught:
        refuse_above("bytes", 3 * 10**9, "model.edgeseg unpacked", EngineError)
    assert str(caught.value) == (
        "model.edgeseg unpacked takes 2861 MiB, at most 512 MiB are allowed; where that is right, raise the "
        "limit: edgeseg --limit bytes=2862M COMMAND, or EDGESEG_LIMITS=bytes=2862M"
    )
    monkeypatch.setenv(VARIABLE, "bytes=2862M")
    refuse_above("bytes", 3 * 10**9, "model.edgeseg unpacked", EngineError)


def test_the_command_line_raises_it_for_one_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert status_of(["--limit", "bytes=8G", "--limit", "pixels=1", "doctor", "--help"]) == 0
    assert current() == Limits()
    assert status_of(["--limit", "bytes=lots", "doctor"]) == 2
    assert "'bytes=lots' is not a limit; write NAME=AMOUNT" in capfd.readouterr().err
