from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace

import pytest
from av.error import InvalidDataError, TimeoutError

from edgeseg.runtime.sources.packets import Lead, read_packets

STREAM = SimpleNamespace(time_base=Fraction(1, 100))


class Container:
    """Gives packets at the given times; an error among them is raised there."""

    def __init__(self, *packets: int | Exception) -> None:
        self._packets = iter(packets)

    def demux(self, _: object) -> Iterator[SimpleNamespace]:
        for packet in self._packets:
            if isinstance(packet, Exception):
                raise packet
            yield SimpleNamespace(dts=packet, size=1, is_corrupt=packet == 108)


def _read(container: Container, *, look_ahead: bool = True) -> tuple[list[int], int]:
    failures: list[None] = []
    packets = read_packets(container, STREAM, lambda: failures.append(None), look_ahead=look_ahead)
    return [packet.dts for packet in packets], len(failures)


@pytest.mark.parametrize("look_ahead", [True, False])
def test_a_place_that_cannot_be_read_costs_no_packet_around_it(look_ahead: bool) -> None:
    error = InvalidDataError(1094995529, "invalid data")
    assert _read(Container(0, 4, error, 8, error, error, 12), look_ahead=look_ahead) == ([0, 4, 8, 12], 3)


def test_silence_ends_a_live_source() -> None:
    assert _read(Container(0, 4, TimeoutError(110, "timed out"), 8), look_ahead=False) == ([0, 4], 0)


def test_a_container_that_gives_nothing_but_errors_ends() -> None:
    errors = [InvalidDataError(1094995529, "invalid data") for _ in range(1000)]
    assert _read(Container(0, *errors))[0] == [0]


def test_the_last_packets_before_another_recording_are_not_suspect() -> None:
    for following, suspect in ((112, True), (0, False), (2000, False)):
        packets = list(read_packets(Container(104, 108, following), STREAM, lambda: None, look_ahead=True))
        assert [packet.is_corrupt for packet in packets] == [False, suspect, False]


def test_what_needs_pictures_before_the_beginning_is_the_lead() -> None:
    lead = Lead(begun=False)
    shown = [(4, False), (8, False), (20, True), (12, False), (16, False), (24, False)]
    assert [lead.has(at, is_keyframe=key) for at, key in shown] == [True, True, False, True, True, False]
    assert not Lead(begun=True).has(4, is_keyframe=False)
