"""Send messages to an MQTT broker, which also knows whether the sender is there."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from edgeseg.errors import SinkError, UsageError, one_line
from edgeseg.extras import require
from edgeseg.runtime.sources.address import without_password

PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEPALIVE_S = 10  # a broker that says nothing for longer is gone
CONNECT_S = 3.0
FIRST_RETRY_S, LAST_RETRY_S = 1, 30
FAREWELL_S = 0.4
MOST_UNDER_WAY = 100  # messages that the broker has not taken
ONLINE, OFFLINE = "online", "offline"
OPTIONS = ("qos", "masks")


@dataclass(frozen=True)
class MqttAddress:
    """Where messages go: `mqtt[s]://[user:password@]host[:port]/topic/prefix[?qos=1&masks=1]`.

    Attributes:
        qos: 0, sent once; 1, sent until the broker confirms; 2, confirmed and never twice.
        masks: messages have masks.
        name: the address without passwords.
    """

    host: str
    port: int
    prefix: str
    name: str
    encrypted: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    qos: int = 0
    masks: bool = False


def parse_mqtt(address: str) -> MqttAddress:
    """Take an address apart. Raises UsageError if it is malformed; the message shows no password."""
    name = without_password(address)
    wanted = f"{name} must be mqtt(s)://[user:password@]host[:port]/topic/prefix[?qos=0|1|2&masks=0|1]"
    try:
        parts = urlsplit(address)
        port = parts.port
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:  # a port that is no number, a query that is none
        raise UsageError(wanted) from None
    if parts.fragment or address.endswith("#"):
        raise UsageError(f"{name}: nothing may stand behind a #, which is %23 in user and password")
    scheme, prefix = parts.scheme.lower(), unquote(parts.path).strip("/")
    qos, masks = (options.get(key, ["0"])[-1] for key in OPTIONS)
    if not parts.hostname or not prefix or set(options) - set(OPTIONS) or scheme not in PORTS:
        raise UsageError(wanted)
    if qos not in ("0", "1", "2") or masks not in ("0", "1"):
        raise UsageError(wanted)
    if set(prefix) & set("+#\0"):
        raise UsageError(f"{name}: a topic to publish to has no + and no #, which stand for any topic")
    return MqttAddress(
        host=parts.hostname,
        port=port or PORTS[scheme],
        prefix=prefix,
        name=name,
        encrypted=scheme == "mqtts",
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        qos=int(qos),
        masks=masks == "1",
    )


class MqttPublisher:
    """A client of a broker that publishes to one topic, connects again for ever, and never waits for it.

    Messages go to `PREFIX/KIND`. `PREFIX/KIND/state` holds, retained, `online`, or `offline`, which the
    broker sets itself (as last will) when the client is gone. Where another client of the same prefix leaves
    it `offline`, as one whose connection the broker took for alive until now, this one says `online` again.

    Args:
        kind: of the messages, such as `results` or `events`.

    Raises:
        MissingExtraError: if paho-mqtt is not installed.
    """

    def __init__(self, address: MqttAddress, kind: str) -> None:
        mqtt = require("paho.mqtt.client", "streams")
        self.name = address.name
        self._address = address
        self._topic = f"{address.prefix}/{kind}"
        self._state_topic = f"{self._topic}/state"
        self._trouble = "no connection yet"
        self._under_way: deque[Any] = deque()
        self._closing = False
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect_timeout = CONNECT_S
        client.reconnect_delay_set(FIRST_RETRY_S, LAST_RETRY_S)
        client.max_queued_messages_set(2 * MOST_UNDER_WAY)
        client.will_set(self._state_topic, OFFLINE, qos=1, retain=True)
        if address.user is not None:
            client.username_pw_set(address.user, address.password)
        if address.encrypted:
            client.tls_set()
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_connect_fail = self._not_connected
        client.on_message = self._heard
        client.connect_async(address.host, address.port, keepalive=KEEPALIVE_S)
        self._client = client
        self._thread = threading.Thread(
            target=client.loop_forever, kwargs={"retry_first_connection": True}, daemon=True
        )
        self._thread.name = f"edgeseg-mqtt-{address.host}"
        self._thread.start()

    def send(self, data: bytes, /) -> None:
        """Publish one message; see `messages.Sender`. Raises SinkError while the broker is gone."""
        if not self._client.is_connected():
            raise SinkError(f"{self.name}: {self._trouble}")
        while self._under_way and self._is_gone(self._under_way[0]):
            self._under_way.popleft()
        if len(self._under_way) >= MOST_UNDER_WAY:
            raise SinkError(f"{self.name} takes no messages at present")
        sent = self._client.publish(self._topic, data, qos=self._address.qos)
        if sent.rc:
            raise SinkError(f"{self.name}: message not sent, error {sent.rc} of paho-mqtt")
        self._under_way.append(sent)

    def close(self) -> None:
        """Say that this client is offline, and leave the broker."""
        self._closing = True
        if self._client.is_connected():
            with suppress(ValueError, RuntimeError):  # it is gone in the same moment
                for last in list(self._under_way):
                    last.wait_for_publish(FAREWELL_S)
                self._client.publish(self._state_topic, OFFLINE, qos=1, retain=True).wait_for_publish(
                    FAREWELL_S
                )
        self._client.disconnect()
        self._thread.join(FAREWELL_S)  # in a connection that is being made it cannot be interrupted

    @staticmethod
    def _is_gone(message: Any) -> bool:
        try:
            return bool(message.is_published())
        except (ValueError, RuntimeError):  # it was never taken
            return True

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._trouble = f"the broker refuses: {one_line(str(reason))}; check user and password"
            return
        self._trouble = ""
        client.subscribe(self._state_topic, qos=1)
        client.publish(self._state_topic, ONLINE, qos=1, retain=True)

    def _heard(self, client: Any, data: Any, message: Any) -> None:
        """Take the state; what the broker kept from before says nothing of now."""
        if message.payload == OFFLINE.encode() and not message.retain and not self._closing:
            client.publish(self._state_topic, ONLINE, qos=1, retain=True)

    def _disconnected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._address.qos == 0:  # what was under way is gone; others are sent again by the client
            self._under_way.clear()
        self._trouble = self._trouble or f"the connection was lost ({one_line(str(reason))})"

    def _not_connected(self, client: Any, data: Any) -> None:
        self._trouble = f"no broker answers on port {self._address.port} of {self._address.host}"
