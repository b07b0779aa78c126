"""A device gets our wheel, with the extras that are asked for, and the packages of its own machine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.arm64.device import Device, packages_of


def test_our_wheel_stands_for_edgeseg_and_what_was_installed_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def _install(command: list[Any], **_: Any) -> None:
        commands.append([str(word) for word in command])
        Path(command[command.index("--target") + 1]).mkdir(parents=True)

    monkeypatch.setattr(subprocess, "run", _install)
    wheel = tmp_path / "edgeseg-0.1.0-py3-none-linux_aarch64.whl"
    device = Device(tmp_path / "device", wheel)
    for _ in range(2):
        folder = device.installed("small", ("edgeseg[images]", "onnxruntime"))
    (command,) = commands
    assert packages_of(folder).is_dir()
    assert command[-2:] == [f"{wheel}[images]", "onnxruntime"]
    assert "linux_aarch64" in command
    assert not [word for word in command if word.endswith("x86_64")]


def test_what_was_left_half_made_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _fail(command: list[Any], **_: Any) -> None:
        Path(command[command.index("--target") + 1]).mkdir(parents=True)
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", _fail)
    device = Device(tmp_path, tmp_path / "edgeseg.whl")
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            device.installed("small", ("edgeseg",))
    assert not (tmp_path / "small").exists()
