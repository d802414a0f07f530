"""The echo servers that the bench compares: `python servers.py NAME` prints the port and serves until it is killed.

Each peer comes twice: as people write it, and tuned as well as we could, so that its authors would accept it.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable
from typing import Any

LIMIT = 1 << 20
UNPACK = struct.Struct(">I").unpack_from


def reactor_messages() -> None:
    """reactor, a callback per message."""
    from reactor import FramedProtocol

    class Echo(FramedProtocol):
        def message_received(self, message: bytes) -> None:
            self.send(message)

    _reactor(Echo)


def reactor_reads() -> None:
    """reactor, a callback per read."""
    from reactor import FramedProtocol

    class Echo(FramedProtocol):
        def messages_received(self, messages: Any) -> None:
            self.send_many(messages)

    _reactor(Echo)


def _reactor(factory: Callable[[], Any]) -> None:
    from reactor import Reactor

    with Reactor() as reactor:
        server = reactor.listen_tcp(factory, "127.0.0.1", 0)
        print(server.addresses[0][1], flush=True)
        reactor.run()


class Plain(asyncio.Protocol):
    """As people write it: a bytearray, struct, a write per message."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, bytearray()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= 4:
            (length,) = struct.unpack_from(">I", self.buffer)
            if length > LIMIT:
                return self.transport.abort()
            if len(self.buffer) < 4 + length:
                return None
            message = bytes(self.buffer[4 : 4 + length])
            del self.buffer[: 4 + length]
            self.message_received(message)
        return None

    def message_received(self, message: bytes) -> None:
        self.transport.write(struct.pack(">I", len(message)) + message)


class Tuned(asyncio.Protocol):
    """Parses the received bytes in place, makes each message, and writes all answers of a read as one."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.tail = transport, b""

    def data_received(self, data: bytes, unpack: Any = UNPACK) -> None:
        if self.tail:
            data = self.tail + data
        pos, size, answers = 0, len(data), []
        while pos + 4 <= size:
            (length,) = unpack(data, pos)
            if length > LIMIT:
                return self.transport.abort()
            end = pos + 4 + length
            if end > size:
                break
            message = data[pos + 4 : end]
            answers.append(data[pos : pos + 4])
            answers.append(message)
            pos = end
        self.tail = data[pos:] if pos < size else b""
        if answers:
            self.transport.write(b"".join(answers))
        return None


def _asyncio(protocol: Callable[[], Any], loop: Any) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=4096)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    loop.run_until_complete(serve())


def asyncio_plain() -> None:
    """asyncio, as people write it."""
    _asyncio(Plain, asyncio.new_event_loop())


def asyncio_tuned() -> None:
    """asyncio, hand-tuned."""
    _asyncio(Tuned, asyncio.new_event_loop())


def uvloop_plain() -> None:
    """uvloop, as people write it."""
    import uvloop

    _asyncio(Plain, uvloop.new_event_loop())


def uvloop_tuned() -> None:
    """uvloop, hand-tuned."""
    import uvloop

    _asyncio(Tuned, uvloop.new_event_loop())


def twisted_plain() -> None:
    """Twisted's Int32StringReceiver."""
    from twisted.protocols.basic import Int32StringReceiver

    class Echo(Int32StringReceiver):
        MAX_LENGTH = LIMIT

        def stringReceived(self, string: bytes) -> None:  # noqa: N802
            self.sendString(string)

    _twisted(Echo)


def twisted_tuned() -> None:
    """Twisted's Protocol, parsed as asyncio's tuned one."""
    from twisted.internet.protocol import Protocol

    class Echo(Protocol, Tuned):
        def connectionMade(self) -> None:  # noqa: N802
            self.transport.setTcpNoDelay(True)
            self.tail = b""

        def dataReceived(self, data: bytes) -> None:  # noqa: N802
            self.data_received(data)

    _twisted(Echo)


def _twisted(protocol: Any) -> None:
    from twisted.internet import reactor
    from twisted.internet.protocol import Factory

    port = reactor.listenTCP(0, Factory.forProtocol(protocol), backlog=4096, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


SERVERS = {
    each.__name__: each
    for each in (
        reactor_messages,
        reactor_reads,
        asyncio_plain,
        asyncio_tuned,
        uvloop_plain,
        uvloop_tuned,
        twisted_plain,
        twisted_tuned,
    )
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]]()
