"""Reactor: the loop with its doors. Law: it puts the parts together, and has no mechanism of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from .loop import EventLoop
from .transport import Connection, Connector, Limits, Listener, sockets
from .transport.address import TCPAddress
from .transport.buffers import READ_SIZE
from .transport.resolver import resolve_now

Factory = Callable[[], Any]

_BACKLOG = 511  # what redis and nginx ask for; the kernel caps it at somaxconn


class Server:
    """Listening sockets and the connections that came through them."""

    def __init__(self, reactor: Reactor, factory: Factory, socks: list[socket.socket], limits: Limits) -> None:
        self._reactor = reactor
        self._factory = factory
        self._limits = limits
        self._connections: set[Connection] = set()
        self._per_peer: dict[Any, int] = {}
        self._listeners = [Listener(reactor, sock, self._accepted) for sock in socks]

    @property
    def addresses(self) -> list[Any]:
        """Where it listens, each as `getsockname` says it."""
        return [listener.address for listener in self._listeners]

    def close(self) -> None:
        """Accept nobody any more. Connections that stand go on. Idempotent."""
        for listener in self._listeners:
            listener.close()
        self._reactor._servers.discard(self)

    def _accepted(self, sock: socket.socket, peer: Any) -> None:
        host = _host_of(peer)
        cap = self._limits.max_per_peer
        if cap is not None and self._per_peer.get(host, 0) >= cap:
            sockets.close(sock, reset=True)
            return
        connection = self._reactor._connect(sock, peer, self._factory, self._limits, self._lost)
        if connection is None:
            return
        self._connections.add(connection)
        self._per_peer[host] = self._per_peer.get(host, 0) + 1
        if len(self._connections) == self._limits.max_connections:
            for listener in self._listeners:
                listener.park()
        connection.start()

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        host = _host_of(connection.get_extra_info("peername"))
        self._per_peer[host] -= 1
        if not self._per_peer[host]:
            del self._per_peer[host]
        for listener in self._listeners:
            listener.unpark()


class Reactor(EventLoop):
    """An event loop that listens and connects. `factory()` makes a protocol for each connection.

    What fails at once raises there, a port in use for one: an OSError that names the address. `close()` ends every
    connection, each with its `connection_lost`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inbox_memory = memoryview(bytearray(READ_SIZE))
        self._servers: set[Server] = set()
        self._connectors: set[Connector] = set()
        self._connections: set[Connection] = set()

    def listen_tcp(
        self,
        factory: Factory,
        host: str | None,
        port: int,
        *,
        limits: Limits | None = None,
        backlog: int = _BACKLOG,
        reuse_port: bool = False,
        sock: socket.socket | None = None,
    ) -> Server:
        """Listen at every address of `host` (None or "": all of this machine), with one port; 0 for a free one.

        `sock`: a bound stream socket to listen on in place of these; the server owns it from then on.
        """
        self._check_open()
        if sock is None:
            socks = _listen_on_all(host, port, backlog, reuse_port)
        else:
            sock.listen(backlog)
            sock.setblocking(False)
            socks = [sock]
        server = Server(self, factory, socks, limits or Limits())
        self._servers.add(server)
        return server

    def connect_tcp(
        self,
        factory: Factory,
        host: str,
        port: int,
        *,
        limits: Limits | None = None,
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> Connector:
        """Connect to `host`. `on_failure(exc)` is called once if no connection comes about; else that is reported."""
        self._check_open()
        bounds = limits or Limits()

        def connected(sock: socket.socket, peer: Any) -> None:
            self._connectors.discard(connector)
            connection = self._connect(sock, peer, factory, bounds, self._connections.discard, failed)
            if connection is not None:
                connection.start()

        def failed(exc: BaseException) -> None:
            self._connectors.discard(connector)
            if on_failure is not None:
                on_failure(exc)
            else:
                self.call_exception_handler({"message": "no connection, and no on_failure", "exception": exc})

        connector = Connector(self, TCPAddress(host, port), connected, failed, bounds.connect_timeout)
        self._connectors.add(connector)
        return connector

    def stats(self) -> dict[str, int]:
        """Return the loop's counters, and how many connections and servers there are."""
        return {**super().stats(), "connections": len(self._connections), "servers": len(self._servers)}

    def close(self) -> None:
        """End everything: servers, connectors, then connections, each with its `connection_lost(None)`."""
        if not self._closed and not self._in_turn:
            for server in list(self._servers):
                server.close()
            for connector in self._connectors:
                connector.cancel()
            for connection in list(self._connections):
                connection.abort()
            self._run_deferred()
        super().close()

    def _connect(
        self,
        sock: socket.socket,
        peer: Any,
        factory: Factory,
        limits: Limits,
        on_lost: Callable[[Connection], object],
        on_failure: Callable[[BaseException], object] | None = None,
    ) -> Connection | None:
        """Return a connection on `sock`, not started; None if the factory failed: that is reported, `sock` closed."""
        try:
            protocol = factory()
        except BaseException as exc:
            sockets.close(sock, reset=True)
            if isinstance(exc, (KeyboardInterrupt, SystemExit)):
                raise
            self.call_exception_handler({"message": "exception in the protocol factory", "exception": exc})
            if on_failure is not None:
                on_failure(exc)
            return None

        def lost(connection: Connection) -> None:
            self._connections.discard(connection)
            on_lost(connection)

        connection = Connection(self, sock, protocol, limits, self._inbox_memory, peer, lost)
        self._connections.add(connection)
        return connection


def _listen_on_all(host: str | None, port: int, backlog: int, reuse_port: bool) -> list[socket.socket]:
    """Listen on every address of a host, all with the port that the first one got."""
    socks: list[socket.socket] = []
    try:
        for family, sockaddr in resolve_now(host, port, passive=True):
            if socks and port == 0:
                sockaddr = (sockaddr[0], socks[0].getsockname()[1], *sockaddr[2:])
            socks.append(sockets.listen_on(family, sockaddr, backlog, reuse_port))
    except BaseException:
        for sock in socks:
            sockets.close(sock, reset=False)
        raise
    return socks


def _host_of(peer: Any) -> Any:
    return peer[0] if isinstance(peer, tuple) else peer
