"""dnspython asks our server over TCP, and reads its answers."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from peers.conftest import missing
from peers.our_side import asked

from reactor import FramedProtocol, Reactor, presets

_RESPONSE = 0x80  # a bit in the third byte of a message


@pytest.fixture
def dns() -> Any:
    if importlib.util.find_spec("dns") is None:
        missing('dnspython isn\'t installed: pip install "dnspython>=2.6" has it')
    import dns.message
    import dns.query

    return dns


class Server(FramedProtocol):
    """Answers each question with itself and some text."""

    framing = presets.dns()

    def __init__(self, records: int) -> None:
        self.records = records

    def message_received(self, message: bytes) -> None:
        question = message[12:]
        counts = b"\0\1" + self.records.to_bytes(2, "big") + bytes(4)
        txt = (
            b"\xc0\x0c\0\x10\0\1\0\0\0\0\0\xff\xfe" + b"x" * 254
        )  # the name of the question, TXT, IN, no time, its size
        self.send(message[:2] + bytes([message[2] | _RESPONSE]) + b"\0" + counts + question + txt * self.records)


@pytest.mark.parametrize("records", [0, 1, 244])
def test_dnspython_gets_answers_up_to_the_largest(net: Reactor, dns: Any, twin: ModuleType, records: int) -> None:
    port = net.listen_tcp(lambda: Server(records), "127.0.0.1", 0).addresses[0][1]
    query = dns.message.make_query("example.com", "TXT", use_edns=False)
    response = asked(net, lambda: dns.query.tcp(query, "127.0.0.1", port=port, timeout=30))
    assert response.id == query.id
    assert sum(map(len, response.answer)) == min(records, 1)  # all are the same
