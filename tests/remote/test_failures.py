"""What OpenSSH says becomes one line that says what to do."""

from __future__ import annotations

import pytest

from edgeseg.remote.failures import explain, last_line


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ssh: Could not resolve hostname pi5: Name or service not known", "no host of the name of me@pi5"),
        ("ssh: connect to host pi5 port 22: No route to host", "no way to me@pi5: is it switched on"),
        ("ssh: connect to host pi5 port 22: Connection timed out", "no way to me@pi5"),
        ("ssh: connect to host pi5 port 22: Connection refused", "no SSH server answers"),
        ("Host key verification failed.", "not known here; connect once by `ssh me@pi5`"),
        (
            "@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "ssh-keygen -R pi5",
        ),
        ("me@pi5: Permission denied (publickey).", "ssh-copy-id me@pi5"),
        ("client_loop: send disconnect: Broken pipe", "the connection to me@pi5 was lost"),
        ("Timeout, server pi5 not responding.", "the connection to me@pi5 was lost"),
        ("x: line 3: Bad configuration option: colour\nx: terminating, 1 bad", "~/.ssh/config holds what"),
        ("something new", "no connection to me@pi5: something new; try `ssh me@pi5` yourself"),
        ("", "ssh does not say why"),
    ],
)
def test_each_failure_is_explained(said: str, expected: str) -> None:
    line = explain("me@pi5", said)
    assert expected in line
    assert "\n" not in line


def test_the_last_line_that_says_something_counts() -> None:
    assert last_line("building\nerror: no such file\n\n") == "no such file"
    assert last_line("\n") == ""
