from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import SinkError, UsageError
from edgeseg.runtime.delivery import Delivery
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.profiling.timing import StageTimes
from edgeseg.runtime.sinks import open_sink
from edgeseg.runtime.sinks.mqtt import MqttPublisher, parse_mqtt
from edgeseg.runtime.status import SinkState
from tests.servers.broker import Broker

from ..fakes import INSTANCE, GreyFrames, two_animals

mqtt = pytest.importorskip(
    "paho.mqtt.client", reason="paho-mqtt is not installed: pip install edgeseg[streams]"
)
DEADLINE_S = 60.0
IMAGE = np.zeros((6, 8, 3), np.uint8)


def until(happens: Callable[[], object]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not happens():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path) as started:
        yield started


class Listener:
    """Hears all that a broker publishes: topics with their messages."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = lambda _, __, message: self.heard.append(
            (message.topic, message.payload, message.retain)
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def of(self, topic: str) -> list[bytes]:
        return [payload for one, payload, _ in self.heard if one == topic]

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: Any) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_results_are_messages_without_masks_and_the_state_is_kept(broker: Broker) -> None:
    address = f"mqtt://127.0.0.1:{broker.port}/site/gate?qos=1"
    with Listener(broker.port) as listener:
        with open_sink(address, INSTANCE, GreyFrames([1], live=True)) as sink:
            for index in range(3):
                sink.write(Frame(IMAGE, index, time.monotonic(), stream="gate"), two_animals(), None)
            until(lambda: b"online" in listener.of("site/gate/results/state"))
        until(lambda: len(listener.of("site/gate/results")) == 3)
        until(lambda: listener.of("site/gate/results/state") == [b"online", b"offline"])
        first = json.loads(listener.of("site/gate/results")[0])
    assert (first["stream"], first["index"], first["counts"]) == ("gate", 0, {"cat": 1, "dog": 1})
    assert "segmentation" not in first["instances"][0]
    with Listener(broker.port) as late:
        until(lambda: ("site/gate/results/state", b"offline", True) in late.heard)


def test_masks_come_along_where_they_are_asked_for(broker: Broker) -> None:
    address = f"mqtt://127.0.0.1:{broker.port}/a?masks=1&qos=1"
    with Listener(broker.port) as listener:
        with open_sink(address, INSTANCE, GreyFrames([1])) as sink:
            sink.write(Frame(IMAGE, 0, 0.0), two_animals(), None)
        until(lambda: listener.of("a/results"))
        assert "segmentation" in json.loads(listener.of("a/results")[0])["instances"][0]


def test_a_broker_that_is_killed_and_comes_back_gets_what_waited(broker: Broker) -> None:
    sink = open_sink(f"mqtt://127.0.0.1:{broker.port}/a?qos=1", INSTANCE, GreyFrames([1], live=True))
    slowest_s = 0.0
    with Delivery([sink], INSTANCE, StageTimes(), lossless=False) as handed:

        def put(index: int) -> None:
            nonlocal slowest_s
            began_s = time.monotonic()
            handed.put(Frame(IMAGE, index, 0.0), two_animals())
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            until(lambda: handed.status()[0].written == index + 1)

        put(0)
        until(lambda: put_state(handed, put))
        broker.kill()
        until(lambda: not sink._sender._client.is_connected())  # type: ignore[attr-defined]
        count = handed.status()[0].written
        for index in range(count, count + 50):
            put(index)
        gone = handed.status()[0]
        assert gone.state is SinkState.FAILING
        assert gone.error
        broker.start()
        with Listener(broker.port) as listener:
            until(lambda: put_state(handed, put))
            last = handed.status()[0].written - 1
            until(lambda: last in [json.loads(one)["index"] for one in listener.of("a/results")])
            indices = [json.loads(one)["index"] for one in listener.of("a/results")]
            assert sorted(set(range(count, last + 1)) - set(indices)) == []
    assert handed.status()[0].dropped == 0
    assert slowest_s < 5.0  # it never waits for the broker; this bound is for a busy machine


def test_a_client_that_goes_does_not_leave_another_of_its_prefix_offline(broker: Broker) -> None:
    address = parse_mqtt(f"mqtt://127.0.0.1:{broker.port}/a")
    with Listener(broker.port) as listener:
        before, after = MqttPublisher(address, "results"), MqttPublisher(address, "results")
        until(lambda: listener.of("a/results/state") == [b"online", b"online"])
        before.close()
        until(lambda: listener.of("a/results/state") == [b"online", b"online", b"offline", b"online"])
        after.close()
        until(lambda: listener.of("a/results/state")[-1] == b"offline")
        time.sleep(0.1)
        assert listener.of("a/results/state")[4:] == [b"offline"]


def put_state(handed: Delivery, put: Callable[[int], None]) -> bool:
    """Write one more result, and say whether all is well then."""
    put(handed.status()[0].written)
    return handed.status()[0].state is SinkState.OPEN


def test_no_broker_at_all_is_said_and_delays_nothing() -> None:
    sink = open_sink("mqtt://me:secret@127.0.0.1:1/a", INSTANCE, GreyFrames([1], live=True))
    with Delivery([sink], INSTANCE, StageTimes(), lossless=False) as handed:
        handed.put(Frame(IMAGE, 0, 0.0), two_animals())
        until(lambda: handed.status()[0].state is SinkState.FAILING)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 5.0
    status = handed.status()[0]
    assert status.dropped == 1
    assert "secret" not in repr(status)
    assert "no broker answers on port 1 of 127.0.0.1" in status.error


def test_the_broker_says_offline_when_the_sender_is_gone(broker: Broker) -> None:
    with Listener(broker.port) as listener:
        publisher = MqttPublisher(parse_mqtt(f"mqtt://127.0.0.1:{broker.port}/a"), "results")
        until(lambda: listener.of("a/results/state") == [b"online"])
        publisher._client.socket().close()  # as if the process was killed
        until(lambda: b"offline" in listener.of("a/results/state"))
        publisher.close()


def test_a_broker_that_hangs_fills_no_memory(broker: Broker) -> None:
    publisher = MqttPublisher(parse_mqtt(f"mqtt://127.0.0.1:{broker.port}/a"), "results")
    until(publisher._client.is_connected)
    broker.freeze()

    def send_many() -> None:
        for _ in range(100_000):
            publisher.send(bytes(10_000))

    with pytest.raises(SinkError, match=r"takes no messages at present|lost"):
        send_many()
    broker.kill()
    publisher.close()


@pytest.mark.parametrize(
    "address",
    [
        "mqtt://me:secret@host",
        "mqtt:///topic",
        "mqtt://me:secret@host:port/topic",
        "mqtt://me:secret@host/topic?qos=3",
        "mqtt://me:secret@host/topic?quality=1",
        "mqtt://me:secret@host/topic/%23",
        "mqtt://me:secret@host/topic/#/more",
        "mqtt://me:secret@host/topic#",
    ],
)
def test_malformed_addresses_are_refused_without_their_password(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mqtt(address)
    assert "secret" not in str(caught.value)
    assert "mqtt" in str(caught.value)


def test_an_address_is_taken_apart() -> None:
    address = parse_mqtt("mqtts://m%40e:p%3Aw@broker.example/a/b?qos=2&masks=1")
    assert (address.host, address.port, address.prefix, address.qos) == ("broker.example", 8883, "a/b", 2)
    assert (address.user, address.password, address.encrypted, address.masks) == ("m@e", "p:w", True, True)
    assert "p:w" not in repr(address)
