"""kafka-python asks our server, which plays a Kafka broker that has topics and nothing in them."""

from __future__ import annotations

import importlib.util
import struct
from types import ModuleType
from typing import Any

import pytest
from peers.conftest import missing
from peers.our_side import asked

from reactor import FramedProtocol, Reactor, presets

_METADATA, _VERSIONS = 3, 18  # keys of requests
_UNSUPPORTED = 35


@pytest.fixture
def kafka() -> Any:
    if importlib.util.find_spec("kafka") is None:
        missing('kafka-python isn\'t installed: pip install "kafka-python>=3" has it')
    import kafka

    return kafka


def text(value: str) -> bytes:
    return struct.pack("!h", len(value)) + value.encode()


class Server(FramedProtocol):
    """Speaks version 0 of what versions there are, and version 1 of what topics there are."""

    framing = presets.kafka()

    def __init__(self, topics: list[str]) -> None:
        self.topics = topics

    def message_received(self, message: bytes) -> None:
        key, version, number = struct.unpack_from("!hhi", message)
        assert self.decoder.header == len(message).to_bytes(4, "big")
        if key == _VERSIONS:
            error = _UNSUPPORTED if version else 0  # which the client takes for a question to ask anew
            answer = struct.pack("!hi6h", error, 2, _VERSIONS, 0, 0, _METADATA, 1, 1)
        else:
            host, port = self.transport.get_extra_info("sockname")
            broker = struct.pack("!i", 1) + text(host) + struct.pack("!ih", port, -1)
            topics = [bytes(2) + text(topic) + bytes(5) for topic in self.topics]  # no error, no partitions
            answer = struct.pack("!i", 1) + broker + struct.pack("!ii", 1, len(topics)) + b"".join(topics)
        self.send(struct.pack("!i", number) + answer)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what kafka-python uses
@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_kafka_python_lists_the_topics(net: Reactor, kafka: Any, twin: ModuleType, count: int) -> None:
    topics = [f"topic-{number}" for number in range(count)]
    port = net.listen_tcp(lambda: Server(topics), "127.0.0.1", 0).addresses[0][1]

    def ask() -> Any:
        client = kafka.KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
        try:
            return client.list_topics()
        finally:
            client.close()

    assert sorted(asked(net, ask)) == sorted(topics)
