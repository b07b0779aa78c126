"""Signals are named, also those that the system has no names for."""

from __future__ import annotations

import signal

import pytest

from edgeseg.signals import signal_name


def test_signals_are_named() -> None:
    assert signal_name(signal.SIGTERM) == "SIGTERM"


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="the system has no real-time signals")
def test_real_time_signals_have_their_number() -> None:
    assert signal_name(signal.SIGRTMIN + 6) == f"signal {signal.SIGRTMIN + 6}"
