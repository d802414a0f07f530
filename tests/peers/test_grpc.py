"""A gRPC server of Google's answers our client: messages by our preset, inside HTTP/2's frames by the other one."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest
from helpers import run_until
from peers.conftest import Start, missing

from reactor import FramedProtocol, Reactor, presets

_DATA, _HEADERS, _SETTINGS, _WINDOW_UPDATE = 0, 1, 4, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_FIELDS = {":method": "POST", ":scheme": "http", ":path": "/test/Echo", ":authority": "localhost"}
_FIELDS |= {"te": "trailers", "content-type": "application/grpc"}


_SERVER = """
import concurrent.futures, grpc
handler = grpc.unary_stream_rpc_method_handler(lambda message, _: iter([message, message]))
server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", {"Echo": handler}),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


@pytest.fixture
def port(start: Start) -> int:
    """Run a server that sends each message back, and then once more: a process, since it leaves descriptors open."""
    if importlib.util.find_spec("grpc") is None:
        missing('gRPC isn\'t installed: pip install "grpcio>=1.66" has it')
    return start([sys.executable, "-c", _SERVER]).port()


class Client(FramedProtocol):
    framing = presets.http2()

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.messages = presets.grpc().decoder()
        self.came: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        transport.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.say(_SETTINGS, 0, 0, b"")
        pairs = [(name.encode(), value.encode()) for name, value in _FIELDS.items()]
        coded = b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs)
        self.say(_HEADERS, _END_HEADERS, 1, coded)
        self.say(_DATA, _END_STREAM, 1, presets.grpc().encode(self.message, prefix=b"\0"))

    def say(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.send(bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def message_received(self, message: bytes) -> None:
        if message[0] == _SETTINGS and not message[1] & _ACK:
            self.say(_SETTINGS, _ACK, 0, b"")
        elif message[0] == _DATA:
            self.came += self.messages.feed(message[6:])


@pytest.mark.parametrize("size", [0, 5, 16_000])
def test_a_grpc_server_understands_our_messages_and_we_its_own(
    net: Reactor, port: int, twin: ModuleType, size: int
) -> None:
    client = Client(b"x" * size)
    net.connect_tcp(lambda: client, "127.0.0.1", port)
    run_until(net, lambda: len(client.came) == 2)
    assert client.came == [b"x" * size] * 2
    assert client.messages.header == b"\0" + size.to_bytes(4, "big")
    client.transport.close()
