"""Turn what OpenSSH says of a connection that failed into one line: what is wrong, and what to do."""

from __future__ import annotations

import re

SSH_FAILED = 255  # the client's own exit status; others are the remote program's

LOST = "the connection to {device} was lost; try again"

# What the client says, and what it means; `{device}` is what was given, `{host}` its part after the @.
MEANINGS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the key of {device} is another than before: either the device was set up anew, or something stands "
        "between; if it was, forget the old key by: ssh-keygen -R {host}",
    ),
    (
        r"Host key verification failed|No \S+ host key is known",
        "the key of {device} is not known here; connect once by `ssh {device}` and compare its fingerprint",
    ),
    (
        r"Permission denied|Too many authentication failures",
        "{device} does not let this user in by a key; copy yours there: ssh-copy-id {device}",
    ),
    (
        r"Could not resolve hostname",
        "there is no host of the name of {device}; check it, or give it a HostName in ~/.ssh/config",
    ),
    (
        r"Connection refused",
        "{device} is there, but no SSH server answers; start it there, or set its Port in ~/.ssh/config",
    ),
    (
        r"No route to host|Network is unreachable|Connection timed out|Operation timed out",
        "there is no way to {device}: is it switched on, and in this network?",
    ),
    (
        r"Connection (to \S+ )?closed|Connection reset|Broken pipe|not responding|client_loop|"
        r"Control socket connect|mux_client",
        LOST,
    ),
    (
        r"Bad configuration option|terminating, \d+ bad",
        "~/.ssh/config holds what OpenSSH does not know: {said}",
    ),
)
NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)


def explain(device: str, said: str) -> str:
    """Say in one line why there is no connection.

    Args:
        device: as the user named it.
        said: what the client wrote to its standard error.
    """
    host = device.rpartition("@")[2]
    last = last_line(said)
    for pattern, meaning in MEANINGS:
        if re.search(pattern, said):
            return meaning.format(device=device, host=host, said=last)
    return f"no connection to {device}: {last or 'ssh does not say why'}; try `ssh {device}` yourself"


def runs_nothing(device: str, output: str, errors: str) -> str:
    """Say in one line that a device lets somebody in, and runs no program for them.

    Args:
        output, errors: what the login wrote in the program's place, such as `nologin`, or nothing.
    """
    said = last_line(output) or last_line(errors)
    told = f" ({said})" if said else ""
    return f"{device} lets this user in, and runs no programs for them{told}; give one with a shell"


def last_line(said: str) -> str:
    """Give the last line that is not empty, without the word `error` before it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else ""
