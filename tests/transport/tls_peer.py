"""What the tests of TLS share: connections under TLS in memory, and a client whose bytes go when the test says so."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from helpers import Recorder
from road.peers import MemoryWire, SealedPeer

from reactor import EventLoop, Limits
from reactor.testing import MemorySocket, memory_pair, memory_sockets
from reactor.transport import Connection, sockets
from reactor.transport.tls import TLS

Certs = Any  # the class is conftest's
Pair = tuple[Connection, Connection]


def turns(loop: EventLoop, count: int = 8) -> None:
    for _ in range(count):
        loop.run_once(0)


def until(loop: EventLoop, condition: Callable[[], Any]) -> None:
    """Make turns in memory until the condition holds."""
    for _ in range(20_000):
        if condition():
            return
        loop.run_once(0)
    raise AssertionError(f"{condition} never held")


def sock_of(connection: Connection) -> MemorySocket:
    return connection.get_extra_info("socket")


class EchoBytes(Recorder):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


class ByHand(SealedPeer):
    """A TLS client without a transport: the test decides when its bytes go, and which."""

    def __init__(self, context: ssl.SSLContext, sock: MemorySocket, loop: EventLoop) -> None:
        super().__init__(MemoryWire(sock), lambda condition: until(loop, condition), context, server_side=False)

    def hello(self) -> bytes:
        """Return the first flight, for the caller to send."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def goodbye(self) -> bytes:
        """Return close_notify, for the caller to send."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()


class Secure:
    """Connections under TLS, in memory, and how each ended."""

    def __init__(self, loop: EventLoop, certs: Certs) -> None:
        self.loop, self.certs = loop, certs
        self.causes: dict[Connection, BaseException | None] = {}
        self.open: list[Connection] = []

    def pair(
        self,
        client: Any,
        server: Any,
        client_tls: ssl.SSLContext | None = None,
        server_tls: ssl.SSLContext | None = None,
        hostname: str = "localhost",
        shake_hands: bool = True,
        **options: Any,
    ) -> Pair:
        ours = TLS(client_tls or self.certs.client(), False, hostname)
        theirs = TLS(server_tls or self.certs.server(), True, None)
        left, right = memory_pair(self.loop, client, server, tls=(ours, theirs), **options)
        self.keep(left, right)
        if shake_hands:
            until(self.loop, lambda: left.made and right.made)
        return left, right

    def keep(self, *connections: Connection) -> None:
        """Note how they end, and end them after the test."""
        for each in connections:
            self.open.append(each)
            each._on_end = self._noting(each._on_end)

    def _noting(self, on_end: Any) -> Any:
        def ended(connection: Connection, cause: BaseException | None, sock: Any) -> None:
            assert connection not in self.causes, "on_end came twice"
            self.causes[connection] = cause
            on_end(connection, cause, sock)

        return ended

    def plain_pair(self, client: Any, server: Any, **options: Any) -> Pair:
        """Connect two that may go to TLS later."""
        left, right = memory_pair(self.loop, client, server, **options)
        self.keep(left, right)
        turns(self.loop, 1)
        return left, right

    def server(self, protocol: Any, limits: Limits | None = None, context: Any = None) -> tuple[Connection, ByHand]:
        """Return a server's connection, and the client by hand at its other end."""
        sock, other = memory_sockets()

        def on_end(connection: Connection, cause: BaseException | None, sock: Any) -> None:
            sockets.close(sock, connection.reset)

        end: Any = sock
        memory, tls = memoryview(bytearray(1 << 18)), TLS(context or self.certs.server(), True)
        connection = Connection(self.loop, end, protocol, limits or Limits(), memory, "memory", on_end, tls)
        self.keep(connection)
        connection.start()
        return connection, ByHand(self.certs.client(), other, self.loop)

    def end(self) -> None:
        for each in self.open:
            each.abort()
        turns(self.loop)
