"""PyMongo asks our server, which plays a MongoDB that sends back what a command has."""

from __future__ import annotations

import importlib.util
import struct
from types import ModuleType
from typing import Any

import pytest
from peers.conftest import missing
from peers.our_side import asked

from reactor import FramedProtocol, Reactor, presets

_REPLY, _QUERY, _MSG = 1, 2004, 2013
_HELLO = {"isWritablePrimary": True, "ismaster": True, "helloOk": True, "minWireVersion": 0, "maxWireVersion": 21}
_LARGEST = 16 << 20  # of a document


@pytest.fixture
def pymongo() -> Any:
    if importlib.util.find_spec("pymongo") is None:
        missing('PyMongo isn\'t installed: pip install "pymongo>=4.9" has it')
    import pymongo

    return pymongo


class Server(FramedProtocol):
    framing = presets.mongodb()

    def message_received(self, message: bytes) -> None:
        import bson

        number, _, kind = struct.unpack_from("<iii", message)
        assert int.from_bytes(self.decoder.header, "little") == len(message) + 4
        if kind == _QUERY:  # how a client begins that doesn't know yet who answers
            back, front = _REPLY, struct.pack("<iqii", 8, 0, 0, 1)
            document: dict[str, Any] = dict(_HELLO)
        else:
            back, front = _MSG, bytes(5)  # no flags; one document
            asked = bson.decode(message[17:])
            document = {"said": asked["echo"]} if "echo" in asked else dict(_HELLO)
        self.send(struct.pack("<iii", 1, number, back) + front + bson.encode({**document, "ok": 1}))


@pytest.mark.parametrize("size", [0, 5, 70_000, _LARGEST - 1000])
def test_pymongo_is_sent_back_what_it_says(net: Reactor, pymongo: Any, twin: ModuleType, size: int) -> None:
    port = net.listen_tcp(Server, "127.0.0.1", 0).addresses[0][1]

    def ask() -> Any:
        with pymongo.MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=15_000) as client:
            return client.test.command("echo", b"x" * size)["said"]

    assert asked(net, ask) == b"x" * size
