"""kazoo asks our server, which plays a ZooKeeper that has one node."""

from __future__ import annotations

import importlib.util
import struct
from types import ModuleType
from typing import Any

import pytest
from peers.conftest import missing
from peers.our_side import asked

from reactor import FramedProtocol, Reactor, presets

_GET_DATA, _CLOSE = 4, -11
_CONNECTED = struct.pack("!iiqi16sb", 0, 10_000, 1, 16, bytes(16), 0)  # a session of 10 s, its number and password
_LARGEST = (1 << 20) - 16 - 4 - 68  # of a node's data: less the answer's header, its own length, what is known of it


class Server(FramedProtocol):
    framing = presets.zookeeper()

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.connected = False
        self.kinds: list[int] = []

    def message_received(self, message: bytes) -> None:
        if not self.connected:
            self.connected = True
            self.send(_CONNECTED)
            return
        xid, kind = struct.unpack_from("!ii", message)
        self.kinds.append(kind)
        answer = struct.pack("!iqi", xid, 1, 0)
        if kind == _GET_DATA:
            answer += len(self.data).to_bytes(4, "big") + self.data + bytes(68)
        self.send(answer)


@pytest.fixture
def kazoo() -> Any:
    if importlib.util.find_spec("kazoo") is None:
        missing('kazoo isn\'t installed: pip install "kazoo>=2.10" has it')
    import kazoo.client

    return kazoo


@pytest.mark.parametrize("size", [0, 5, 70_000, _LARGEST])
def test_kazoo_gets_what_a_node_has(net: Reactor, kazoo: Any, twin: ModuleType, size: int) -> None:
    server = Server(b"x" * size)
    port = net.listen_tcp(lambda: server, "127.0.0.1", 0).addresses[0][1]

    def ask() -> bytes:
        client = kazoo.client.KazooClient(hosts=f"127.0.0.1:{port}")
        client.start(timeout=15)
        data: bytes = client.get("/node")[0]
        client.stop()
        client.close()
        return data

    assert asked(net, ask) == b"x" * size
    assert server.kinds == [_GET_DATA, _CLOSE]
