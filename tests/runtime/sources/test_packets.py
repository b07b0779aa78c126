from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace

import pytest
from av.error import InvalidDataError, TimeoutError

from edgeseg.runtime.sources.packets import Lead, live_packets, read_packets

STREAM = SimpleNamespace(time_base=Fraction(1, 100))


class Container:
    """Gives packets at the given times; an error among them is raised there."""

    def __init__(self, *packets: int | Exception) -> None:
        self._packets = iter(packets)

    def demux(self, _: object = None) -> Iterator[SimpleNamespace]:
        for packet in self._packets:
            if isinstance(packet, Exception):
                raise packet
            yield SimpleNamespace(dts=packet, size=1, is_corrupt=packet == 108, stream=STREAM)


def _read(container: Container, *, live: bool = False) -> tuple[list[int], int, list[str]]:
    failures: list[None] = []
    breaks: list[str] = []
    packets = (
        live_packets(container, STREAM, lambda: failures.append(None), breaks.append, silence_s=60.0)
        if live
        else read_packets(container, STREAM, lambda: failures.append(None))
    )
    return [packet.dts for packet in packets], len(failures), breaks


@pytest.mark.parametrize("live", [True, False])
def test_a_place_that_cannot_be_read_costs_no_packet_around_it(live: bool) -> None:
    error = InvalidDataError(1094995529, "invalid data")
    assert _read(Container(0, 4, error, 8, error, error, 12), live=live) == ([0, 4, 8, 12], 3, [])


def test_a_broken_connection_ends_a_live_source_which_says_why() -> None:
    error = TimeoutError(110, "timed out", "rtsp://me:secret@cam/1")
    assert _read(Container(0, 4, error, 8), live=True) == ([0, 4], 0, ["timed out"])


@pytest.mark.parametrize("live", [True, False])
def test_a_container_that_gives_nothing_but_errors_ends(live: bool) -> None:
    errors = [InvalidDataError(1094995529, "invalid data") for _ in range(1000)]
    assert _read(Container(0, *errors), live=live)[0] == [0]


def test_sound_does_not_hide_that_the_pictures_stopped() -> None:
    class Sound(Container):
        def demux(self, _: object = None) -> Iterator[SimpleNamespace]:
            yield from super().demux()
            while True:
                yield SimpleNamespace(stream=None)

    breaks: list[str] = []
    packets = live_packets(Sound(0, 4), STREAM, lambda: None, breaks.append, silence_s=1.0)
    assert [packet.dts for packet in packets] == [0, 4]
    assert len(breaks) == 1
    assert breaks[0].startswith("nothing came for ")


def test_the_last_packets_before_another_recording_are_not_suspect() -> None:
    for following, suspect in ((112, True), (0, False), (2000, False)):
        packets = list(read_packets(Container(104, 108, following), STREAM, lambda: None))
        assert [packet.is_corrupt for packet in packets] == [False, suspect, False]


def test_what_needs_pictures_before_the_beginning_is_the_lead() -> None:
    lead = Lead(begun=False)
    shown = [(4, False), (8, False), (20, True), (12, False), (16, False), (24, False)]
    assert [lead.has(at, is_keyframe=key) for at, key in shown] == [True, True, False, True, True, False]
    assert not Lead(begun=True).has(4, is_keyframe=False)
