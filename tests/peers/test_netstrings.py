"""Twisted's NetstringReceiver understands our netstrings and we understand its own, without a socket between."""

from __future__ import annotations

import importlib.util
import random
from types import ModuleType
from typing import Any

import pytest
from peers.conftest import missing
from peers.conversation import difference

from reactor import presets
from reactor.testing import cuts

_SIZES = [0, 1, 9, 10, 11, 99, 100, 999, 1000, 70_000]


@pytest.fixture
def twisted() -> Any:
    """Return a receiver of Twisted's that keeps what it is given and what it writes."""
    if importlib.util.find_spec("twisted") is None:
        missing('Twisted isn\'t installed: pip install "twisted>=24" has it')
    from twisted.internet.testing import StringTransport
    from twisted.protocols.basic import NetstringReceiver

    class Receiver(NetstringReceiver):
        MAX_LENGTH = 1 << 20

        def stringReceived(self, string: bytes) -> None:  # noqa: N802 - Twisted's word
            came.append(string)

    came: list[bytes] = []
    receiver = Receiver()
    receiver.came = came
    receiver.makeConnection(StringTransport())
    return receiver


def strings() -> list[bytes]:
    chance = random.Random("netstrings")
    return [chance.randbytes(size) for size in _SIZES]


def test_twisted_reads_what_we_write(twisted: Any, twin: ModuleType) -> None:
    framing = presets.netstrings()
    twisted.dataReceived(b"".join(framing.encode(each + b",") for each in strings()))
    assert difference(strings(), twisted.came) == ""


def test_we_read_what_twisted_writes_however_it_is_cut(twisted: Any, codec: ModuleType) -> None:
    said = [each for each in strings() if len(each) < 1000]
    for each in said:
        twisted.sendString(each)
    for chunks in cuts(twisted.transport.value()):
        decoder = codec.Decoder(presets.netstrings())
        came = [message for chunk in chunks for message in decoder.feed(chunk)]
        decoder.feed_eof()
        assert difference([each + b"," for each in said], came) == ""
