"""The roads: how a connection of ours and a peer by hand come together, over each kind of socket there is."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from road.peers import MemoryWire, Peer, SealedPeer

from reactor import Connection, Limits, Reactor, Server
from reactor.testing import ManualClock, memory_sockets
from reactor.transport import sockets

_PATIENCE = 2.0
_NARROW = 16 * 1024  # bytes in the kernel, for who is to meet a full wire soon
_WIDE = 2 << 20
Factory = Callable[[], Any]


class Road:
    """A reactor on a clock that is told the time, and what connects protocols of ours with peers."""

    name = "tcp"
    sealed = False

    def __init__(self, reactor: Reactor, clock: ManualClock) -> None:
        self.reactor = reactor
        self.clock = clock
        self.peers: list[Peer] = []
        self.servers: list[Server] = []
        self._listening: list[socket.socket] = []
        self._reports: list[BaseException | None] = []
        reactor.set_exception_handler(lambda _, context: self._reports.append(context.get("exception")))

    # --- time

    def until(self, condition: Callable[[], Any]) -> None:
        """Make turns until the condition holds; fail if it doesn't in a long time."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{condition} never held"
            self.reactor.run_once(0.005)

    def settle(self, turns: int = 12) -> None:
        """Make the turns in which what must not come would come."""
        for _ in range(turns):
            self.reactor.run_once(0)

    def reads_slowly(self, peer: Peer) -> bytes:
        """Let the peer read to the end, 32 KiB every 2 seconds of the clock."""
        while not peer.end:
            self.until(lambda: peer.take(32 * 1024) or peer.end)
            self.settle(3)
            self.clock.advance(2)
        return bytes(peer.plain)

    def clog(self, ours: Any) -> int:
        """Write until bytes of ours wait for the peer; return how many were written."""
        written = quiet = 0
        while quiet < 6:
            waiting = ours.transport.get_write_buffer_size()
            if not waiting:
                ours.transport.write(bytes(16 * 1024))
                written += 16 * 1024
            self.reactor.run_once(0)
            quiet = quiet + 1 if waiting and ours.transport.get_write_buffer_size() == waiting else 0
        return written

    def take_reports(self) -> list[BaseException | None]:
        taken, self._reports = self._reports, []
        return taken

    # --- coming together

    def meet(self, ours: Any, limits: Limits | None = None, *, side: str = "server", narrow: bool = False) -> Peer:
        """Connect a protocol of ours with a peer, up to connection_made. `narrow`: hardly a byte fits in between."""
        given = [ours]  # and not kept by the factory: some tests look at what lives on
        peer = self.approach(given.pop, limits, side=side, narrow=narrow)
        peer.shake()
        self.until(lambda: ours.made)
        if narrow:
            self.narrow(ours)
        return peer

    def approach(
        self, factory: Factory, limits: Limits | None = None, *, side: str = "server", narrow: bool = False
    ) -> Peer:
        """Connect, and leave the handshake to the caller. `side`: which one is ours."""
        if side == "server":
            return self.dial(self.listen(factory, limits), narrow)
        return self.dialled(factory, limits)

    def listen(self, factory: Factory, limits: Limits | None = None) -> Server:
        server = self._listen(factory, limits)
        self.servers.append(server)
        return server

    def dial(self, server: Server, narrow: bool = False) -> Peer:
        """A peer comes to our server; TLS is not begun."""
        sock = socket.socket(self._family)
        if narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW)
        sock.connect(server.addresses[0])
        return self._peer(sock, server_side=False)

    def dialled(
        self,
        factory: Factory,
        limits: Limits | None = None,
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> Peer:
        """Our client comes to a peer; TLS is not begun."""
        listening = self.listening()
        self.connect(factory, listening, limits=limits, on_failure=on_failure)
        came: list[Peer] = []

        def somebody() -> bool:
            with suppress(BlockingIOError):
                came.append(self.accepted(listening))
            return bool(came)

        self.until(somebody)
        return came[0]

    def accepted(self, listening: socket.socket) -> Peer:
        """Return the peer that our client has reached; raises BlockingIOError if none did."""
        return self._peer(listening.accept()[0], server_side=True)

    def listening(self) -> socket.socket:
        """Return a socket at which a peer listens."""
        sock = socket.socket(self._family)
        self._listening.append(sock)
        sock.bind(self._anywhere())
        sock.listen(100)
        sock.setblocking(False)
        return sock

    def _peer(self, wire: Any, server_side: bool) -> Peer:
        if isinstance(wire, socket.socket):
            wire.setblocking(False)
            if wire.family == socket.AF_INET:  # or the kernel holds a small piece back
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peers.append(self._made_peer(wire, server_side))
        return self.peers[-1]

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        for sock in self._listening:
            sock.close()
        self.reactor.close()
        assert self.take_reports() == [], "unexpected reports"

    # --- what differs

    _family = socket.AF_INET

    def _listen(self, factory: Factory, limits: Limits | None) -> Server:
        return self.reactor.listen_tcp(factory, "127.0.0.1", 0, limits=limits)

    def connect(self, factory: Factory, listening: socket.socket, **options: Any) -> Any:
        return self.reactor.connect_tcp(factory, *listening.getsockname(), **options)

    def _anywhere(self) -> Any:
        return "127.0.0.1", 0

    def _made_peer(self, wire: Any, server_side: bool) -> Peer:
        return Peer(wire, self.until)

    def narrow(self, ours: Any) -> None:
        """Let hardly a byte of ours wait in the kernel."""
        ours.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _NARROW)

    def widen(self, ours: Any, peer: Peer) -> None:
        """Let much that the peer sends wait in the kernel."""
        peer.wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WIDE)
        ours.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WIDE)


class UnixRoad(Road):
    """Names in the abstract namespace: no file is left."""

    name = "unix"
    _family = socket.AF_UNIX
    _count = 0

    def _listen(self, factory: Factory, limits: Limits | None) -> Server:
        return self.reactor.listen_unix(factory, self._new_name(), limits=limits)

    def connect(self, factory: Factory, listening: socket.socket, **options: Any) -> Any:
        return self.reactor.connect_unix(factory, "@" + listening.getsockname()[1:].decode(), **options)

    def dial(self, server: Server, narrow: bool = False) -> Peer:
        sock = socket.socket(socket.AF_UNIX)
        address = server.addresses[0]
        sock.connect(address if isinstance(address, bytes) else address.replace("@", "\0", 1))
        return self._peer(sock, server_side=False)

    def _anywhere(self) -> Any:
        return "\0" + self._new_name()[1:]

    def _new_name(self) -> str:
        UnixRoad._count += 1
        return f"@reactor-road-{id(self)}-{self._count}"


class SealedRoad(Road):
    """TLS over TCP. The contexts are this road's own: a test may change them before anybody connects."""

    name = "tls"
    sealed = True

    def __init__(self, reactor: Reactor, clock: ManualClock, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        super().__init__(reactor, clock)
        self.server_context = server
        self.client_context = client

    def at_most(self, version: ssl.TLSVersion) -> None:
        self.server_context.maximum_version = self.client_context.maximum_version = version

    def _listen(self, factory: Factory, limits: Limits | None) -> Server:
        return self.reactor.listen_tcp(factory, "127.0.0.1", 0, limits=limits, tls=self.server_context)

    def connect(self, factory: Factory, listening: socket.socket, **options: Any) -> Any:
        return self.reactor.connect_tcp(
            factory, *listening.getsockname(), tls=self.client_context, server_hostname="localhost", **options
        )

    def _made_peer(self, wire: Any, server_side: bool) -> Peer:
        context = self.server_context if server_side else self.client_context
        return SealedPeer(wire, self.until, context, server_side)


class MemoryRoad(Road):
    """No kernel and no door: a connection of ours is put on one end of a wire in memory."""

    name = "memory"

    def __init__(self, reactor: Reactor, clock: ManualClock) -> None:
        super().__init__(reactor, clock)
        self._memory = memoryview(bytearray(256 * 1024))  # what all of them read into, as a reactor's share theirs
        self._open: dict[Connection, None] = {}

    def approach(
        self, factory: Factory, limits: Limits | None = None, *, side: str = "server", narrow: bool = False
    ) -> Peer:
        ours, theirs = memory_sockets(_NARROW if narrow else 256 * 1024)
        connection = Connection(self.reactor, ours, factory(), limits or Limits(), self._memory, "memory", self._ended)
        self._open[connection] = None
        self.reactor.call_soon(connection.start)
        return self._peer(MemoryWire(theirs), server_side=False)

    def _ended(self, connection: Connection, cause: BaseException | None, sock: Any) -> None:
        self._open.pop(connection)
        sockets.close(sock, connection.reset)

    def narrow(self, ours: Any) -> None:
        """The wire was made so."""

    def widen(self, ours: Any, peer: Peer) -> None:
        peer.wire.sock.capacity = _WIDE

    def close(self) -> None:
        for connection in list(self._open):
            connection.abort()
        self.settle()
        super().close()
