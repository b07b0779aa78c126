"""Turn an address that a user calls an output into a sink: a broker, a web server, or a server of video."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgeseg.errors import UsageError
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.broadcast import PUSHED, open_push
from edgeseg.runtime.sinks.encoder import VideoTiming
from edgeseg.runtime.sinks.messages import MessageSink, Sender
from edgeseg.runtime.sinks.mqtt import PORTS, MqttPublisher, parse_mqtt
from edgeseg.runtime.sources.address import without_password
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    from edgeseg.runtime.sinks.webhook import Webhook

WEB = ("http", "https")
RESULTS = "results"


def is_address(text: str | os.PathLike[str]) -> bool:
    """Whether an output is meant as an address, not as a path."""
    return isinstance(text, str) and "://" in text


def check_address(address: str) -> str:
    """Give an address's name without passwords. Raises UsageError if it is malformed or of no known kind."""
    if _scheme(address) in PORTS:
        return parse_mqtt(address).name
    if _scheme(address) in WEB:
        return _webhook(address).name
    name = without_password(address)
    if _scheme(address) in PUSHED:
        return name
    schemes = ", ".join(f"{scheme}://" for scheme in (*PORTS, *WEB, *PUSHED))
    raise UsageError(f"-o {name} is no kind of output; addresses begin with {schemes}")


def open_address(address: str, spec: ModelSpec, timing: VideoTiming) -> Sink:
    """Open a sink that sends a message a result, or video.

    Raises:
        UsageError: if the address is malformed or of no known kind.
        MissingExtraError: if what it takes is not installed.
    """
    check_address(address)
    if _scheme(address) in PUSHED:
        return open_push(address, timing)
    masks = parse_mqtt(address).masks if _scheme(address) in PORTS else False
    return MessageSink(open_sender(address, RESULTS), spec, masks=masks)


def open_sender(address: str, kind: str) -> Sender:
    """Open what sends messages of a kind, such as `results` or `events`, to an address.

    Raises:
        UsageError: if it is malformed or of no known kind.
        MissingExtraError: if what it takes is not installed.
    """
    if _scheme(address) not in (*PORTS, *WEB):
        raise UsageError(f"{without_password(address)} takes no messages; use mqtt://... or https://...")
    return MqttPublisher(parse_mqtt(address), kind) if _scheme(address) in PORTS else _webhook(address)


def _webhook(address: str) -> Webhook:
    """Make a sender for the web, whose libraries are a fifth of what importing the runtime takes."""
    from edgeseg.runtime.sinks.webhook import Webhook

    return Webhook(address)


def _scheme(address: str) -> str:
    return address.partition("://")[0].lower()
