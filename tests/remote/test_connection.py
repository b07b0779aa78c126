"""Programs run on a device, files come there, and nothing is left behind, over a real SSH server."""

from __future__ import annotations

import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from edgeseg.errors import RemoteError, UsageError
from edgeseg.remote.connection import Connection

from .conftest import Server


def test_a_program_gets_its_arguments_as_they_are(server: Server) -> None:
    hostile = ["$(touch /nowhere)", "a  b", "'", '"; rm -rf x', "*", "", "ü\n"]
    heard: list[str] = []
    with Connection(server.device) as connection:
        answer = connection.run(["printf", "%s|", *hostile])
        assert answer.output == "|".join(hostile) + "|"
        failed = connection.run(["sh", "-c", "echo error: odd >&2; exit 3"], on_line=heard.append)
    assert (failed.status, failed.says) == (3, "odd")
    assert heard == ["error: odd"]


def test_files_and_folders_are_copied(server: Server, tmp_path: Path) -> None:
    pictures = tmp_path / "my pictures"
    pictures.mkdir()
    (pictures / "ü 1.png").write_bytes(b"\x00\xff" * 100_000)
    with Connection(server.device) as connection, connection.folder() as folder:
        connection.send({"source/my pictures": pictures, "model.onnx": pictures / "ü 1.png"}, folder)
        assert Path(folder, "source/my pictures/ü 1.png").read_bytes() == b"\x00\xff" * 100_000
        assert Path(folder, "model.onnx").stat().st_size == 200_000
        assert connection.run(["ls", folder]).output == "model.onnx\nsource\n"
    assert server.left_behind == []


def test_a_program_that_runs_is_ended_before_its_folder_goes(server: Server) -> None:
    """As after Ctrl-C."""

    def interrupt(line: str) -> None:
        started.set()

    started = threading.Event()
    script = 'echo begun >&2; echo $$ > "$0"; exec sleep 600'
    process_file = server.folder / "process"

    def leave() -> None:
        with Connection(server.device) as connection, connection.folder() as folder:
            work = threading.Thread(
                target=_ignore_loss,
                args=(connection, folder, ["sh", "-c", script, str(process_file)], interrupt),
                daemon=True,
            )
            work.start()
            assert started.wait(20)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    process = process_file.read_text().strip()
    assert subprocess.run(["kill", "-0", process], capture_output=True, check=False).returncode != 0
    assert server.left_behind == []


def _ignore_loss(connection: Connection, folder: str, words: list[str], on_line: object) -> None:
    with suppress(RemoteError):
        connection.work(folder, words, on_line=on_line)  # type: ignore[arg-type]


def test_a_connection_that_is_lost_midway_is_told(server: Server) -> None:
    server.put("stall", "echo 'frames: 180/1800' >&2; sleep 1; kill -9 $PPID; sleep 5")
    heard: list[str] = []
    with Connection(server.device) as connection, pytest.raises(RemoteError) as caught:
        # the parent of the program is the server's process for this connection
        connection.run(["stall"], on_line=heard.append)
    assert str(caught.value) == "the connection to loopback was lost; try again"
    assert heard == ["frames: 180/1800"]


def test_a_connection_that_is_lost_before_a_word_is_told(server: Server) -> None:
    server.put("stall", "kill -9 $PPID; sleep 5")
    with Connection(server.device) as connection:
        connection.run(["true"])
        with pytest.raises(RemoteError, match="the connection to loopback was lost; try again"):
            connection.run(["stall"])


def test_what_a_login_prints_is_not_taken_for_the_programs_errors(server: Server) -> None:
    key = (server.folder / "authorized").read_text()
    said = 'eval \\"$SSH_ORIGINAL_COMMAND\\"'
    (server.folder / "authorized").write_text(f'command="echo welcome >&2; {said}" {key}')
    heard: list[str] = []
    with Connection(server.device) as connection:
        answer = connection.run(["sh", "-c", "echo odd >&2; exit 3"], on_line=heard.append)
    assert (answer.status, answer.errors, heard) == (3, "odd\n", ["odd"])


def test_an_account_without_a_shell_is_told(server: Server) -> None:
    """As `nologin` does, in a home folder that is not there."""
    said = "echo Could not chdir to home directory >&2; echo This account is currently not available.; exit 1"
    key = (server.folder / "authorized").read_text()
    (server.folder / "authorized").write_text(f'command="{said}" {key}')
    with Connection(server.device) as connection, pytest.raises(RemoteError) as caught:
        connection.run(["true"])
    assert "loopback lets this user in, and runs no programs" in str(caught.value)
    assert "(This account is currently not available.)" in str(caught.value)


def test_a_full_disk_is_told(server: Server, tmp_path: Path) -> None:
    server.put("tar", "echo 'tar: model.onnx: Cannot write: No space left on device' >&2; exit 2")
    (tmp_path / "model.onnx").write_bytes(bytes(5 << 20))
    with (
        pytest.raises(RemoteError, match="loopback has no space left"),
        Connection(server.device) as connection,
        connection.folder() as folder,
    ):
        connection.send({"model.onnx": tmp_path / "model.onnx"}, folder)
    assert server.left_behind == []


def test_a_host_key_that_is_not_known_is_told(server: Server) -> None:
    (server.folder / "known").write_text("")
    with Connection(server.device) as connection, pytest.raises(RemoteError, match="compare its fingerprint"):
        connection.run(["true"])


def test_a_host_key_that_has_changed_is_told(server: Server, keys: Path) -> None:
    known = server.folder / "known"
    place = known.read_text().split()[0]
    known.write_text(f"{place} {(keys / 'user.pub').read_text()}")
    with Connection(server.device) as connection, pytest.raises(RemoteError, match="ssh-keygen -R"):
        connection.run(["true"])


def test_a_key_that_is_not_let_in_is_told(server: Server) -> None:
    (server.folder / "authorized").write_text("")
    with Connection(server.device) as connection, pytest.raises(RemoteError, match="ssh-copy-id loopback"):
        connection.run(["true"])


def test_a_server_that_is_not_there_is_told(server: Server) -> None:
    server.process.terminate()
    server.process.wait()
    with Connection(server.device) as connection, pytest.raises(RemoteError, match="no SSH server answers"):
        connection.run(["true"])


def test_without_a_client_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with Connection("pi5") as connection, pytest.raises(RemoteError, match="openssh-client"):
        connection.run(["true"])


@pytest.mark.parametrize("device", ["-oProxyCommand=touch x", "a b", "", "a\nb"])
def test_what_is_no_destination_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match="user@device"):
        Connection(device)


def test_one_connection_serves_all(server: Server) -> None:
    with Connection(server.device) as connection:
        first = connection.run(["sh", "-c", "echo $SSH_CONNECTION"])
        second = connection.run(["sh", "-c", "echo $SSH_CONNECTION"])
    assert first.output == second.output  # client's port and all
