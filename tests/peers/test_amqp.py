"""pika publishes to our server, which plays a small broker, and gets back what it published."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from peers.conftest import missing
from peers.our_side import asked

from reactor import FramedProtocol, Framing, Reactor, presets

_METHOD, _HEADER, _BODY = 1, 2, 3  # kinds of frames
_END = b"\xce"
_FRAME_MAX = 131_072
_START_OK, _OPEN, _CLOSE = (10, 11), (10, 40), (10, 50)  # of a connection
_TUNE_OK, _CHANNEL_OPEN, _CHANNEL_CLOSE = (10, 31), (20, 10), (20, 40)
_PUBLISH, _GET = (60, 40), (60, 70)
_GET_OK = b"\0" * 7 + b"\1" + b"\0" + b"\0" + b"\1q" + bytes(4)  # tag 1, not redelivered, no exchange, from "q"


class Broker(FramedProtocol):
    """Keeps the frames of what is published, and hands them out unchanged."""

    framing = Framing.fixed(8)  # the protocol header

    def __init__(self) -> None:
        self.kept: list[tuple[int, bytes]] = []

    def message_received(self, message: bytes) -> None:
        if self.framing.fixed_length:
            assert message == b"AMQP\0\0\x09\1"
            self.framing = presets.amqp()
            self.say(0, (10, 10), b"\0\x09" + bytes(4) + b"\0\0\0\5PLAIN" + b"\0\0\0\5en_US")
            return
        kind, channel = self.decoder.header[0], int.from_bytes(self.decoder.header[1:3], "big")
        assert message[-1:] == _END
        if kind == _METHOD:
            self.answer(channel, (message[1], message[3]))
        else:
            self.kept.append((kind, message[:-1]))

    def answer(self, channel: int, method: tuple[int, int]) -> None:
        if method == _START_OK:
            self.say(0, (10, 30), b"\0\0" + _FRAME_MAX.to_bytes(4, "big") + b"\0\0")
        elif method == _OPEN:
            self.say(0, (10, 41), b"\0")
        elif method == _CHANNEL_OPEN:
            self.say(channel, (20, 11), bytes(4))
        elif method in (_CLOSE, _CHANNEL_CLOSE):
            self.say(channel, (method[0], method[1] + 1), b"")
        elif method == _GET:
            self.say(channel, (60, 71), _GET_OK)
            for kind, payload in self.kept:
                self.put(kind, channel, payload)
        else:
            assert method in (_TUNE_OK, _PUBLISH)

    def say(self, channel: int, method: tuple[int, int], arguments: bytes) -> None:
        self.put(_METHOD, channel, bytes([0, method[0], 0, method[1]]) + arguments)

    def put(self, kind: int, channel: int, payload: bytes) -> None:
        self.send(payload + _END, prefix=bytes([kind]) + channel.to_bytes(2, "big"))


@pytest.fixture
def pika() -> Any:
    if importlib.util.find_spec("pika") is None:
        missing('pika isn\'t installed: pip install "pika>=1.3" has it')
    import pika

    return pika


@pytest.mark.parametrize("size", [0, 5, _FRAME_MAX - 8, _FRAME_MAX - 7, 1_000_000])
def test_pika_gets_back_what_it_published(net: Reactor, pika: Any, twin: ModuleType, size: int) -> None:
    broker = Broker()
    port = net.listen_tcp(lambda: broker, "127.0.0.1", 0).addresses[0][1]

    def talk() -> bytes:
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0))
        channel = connection.channel()
        channel.basic_publish("", "q", b"x" * size)
        came: bytes = channel.basic_get("q", auto_ack=True)[2]
        connection.close()
        return came

    assert asked(net, talk) == b"x" * size
    largest = max((len(payload) for kind, payload in broker.kept if kind == _BODY), default=0)
    assert largest == min(size, _FRAME_MAX - 8)
