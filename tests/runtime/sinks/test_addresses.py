from __future__ import annotations

import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.sinks import check_outputs
from edgeseg.runtime.sinks.addresses import check_address, open_sender
from edgeseg.runtime.sinks.webhook import Webhook

from ..fakes import GreyFrames


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "http", "https", "rtsp", "rtmp", "srt", "udp", "HTTP"])
def test_an_address_is_named_without_its_password(scheme: str) -> None:
    assert check_address(f"{scheme}://me:secret@host.example/a") == f"{scheme}://***@host.example/a"


def test_an_address_of_no_known_kind_is_refused_without_its_password() -> None:
    with pytest.raises(
        UsageError, match=r"ftp://\*\*\*@host/a is no kind of output; addresses begin with mqtt"
    ):
        check_outputs(["ftp://me:secret@host/a"], GreyFrames([1]))


def test_an_address_is_given_once() -> None:
    with pytest.raises(UsageError, match=r"http://\*\*\*@host/a is given twice"):
        check_outputs(["http://me:secret@host/a"] * 2, GreyFrames([1]))
    check_outputs(["http://host/a?camera=1", "http://host/a?camera=2"], GreyFrames([1]))


def test_messages_go_where_messages_are_taken() -> None:
    assert isinstance(open_sender("https://host/a", "events"), Webhook)
    with pytest.raises(UsageError, match="takes no messages"):
        open_sender("rtsp://host/a", "events")
