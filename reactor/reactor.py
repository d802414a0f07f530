"""Reactor: the loop with its doors. Law: it puts the parts together, and has no mechanism of its own."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from .loop import EventLoop
from .server import Server
from .transport import Backoff, Connection, Connector, Limits, sockets
from .transport.address import TCPAddress, UnixAddress
from .transport.buffers import READ_SIZE
from .transport.linger import Linger
from .transport.resolver import listen_on_all
from .transport.tls import TLS
from .transport.unix import UnixPath, listen_on_path

Factory = Callable[[], Any]
Failure = Callable[[BaseException], object]
Listening = list[tuple[socket.socket, "UnixPath | None"]]

_BACKLOG = 511  # what redis and nginx ask for; the kernel caps it at somaxconn
_MOST_LINGERS = 1024  # sockets that are kept for their last bytes; each costs a descriptor for 2 seconds at most
_UNIX_MODE = 0o600  # who may connect: the owner, unless asked otherwise

_log = logging.getLogger(__name__)


class Reactor(EventLoop):
    """An event loop that listens and connects. `factory()` makes a protocol for each connection.

    What fails at once raises there, a port in use for one: an OSError that names the address. `close()` ends every
    connection, each with its `connection_lost`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._memory = memoryview(bytearray(READ_SIZE))
        self._servers: set[Server] = set()
        self._connectors: set[Connector] = set()
        self._connections: dict[Connection, None] = {}  # in order, and leaner than a set of thousands
        self._lingers: set[Linger] = set()
        self._handshake_failures = self._refused = self._shed = 0  # the latter two of servers that are closed

    # --- doors

    def listen_tcp(
        self,
        factory: Factory,
        host: str | None,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        backlog: int = _BACKLOG,
        reuse_port: bool = False,
        sock: socket.socket | int | None = None,
    ) -> Server:
        """Listen at every address of `host` (None or "": all of this machine), with one port; 0 for a free one.

        `sock`: a bound stream socket, or its descriptor, to listen on in place of these: an inherited one, or one of
        systemd's. The server owns it from then on.
        """
        self._check_open()
        if sock is None:
            socks: Listening = [(each, None) for each in listen_on_all(host, port, backlog, reuse_port)]
        else:
            socks = [(sockets.adopt_listening(sock, backlog), None)]
        return self._serve(factory, socks, tls, limits)

    def listen_unix(
        self,
        factory: Factory,
        path: str | os.PathLike[str] | None,
        *,
        mode: int = _UNIX_MODE,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        backlog: int = _BACKLOG,
        sock: socket.socket | int | None = None,
    ) -> Server:
        """Listen at a path, or at an abstract name ("@name"). The file is removed at the end, if it is still ours.

        A socket file that nobody listens on any more is replaced; `mode` are the file's permissions. `sock` as in
        `listen_tcp()`.
        """
        self._check_open()
        if sock is not None:
            return self._serve(factory, [(sockets.adopt_listening(sock, backlog), None)], tls, limits)
        if path is None:
            raise ValueError("path is None: listen_unix() needs a path, or a sock")
        return self._serve(factory, [listen_on_path(os.fspath(path), backlog, mode)], tls, limits)

    def connect_tcp(
        self,
        factory: Factory,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        limits: Limits | None = None,
        sock: socket.socket | None = None,
        on_failure: Failure | None = None,
        retry: Backoff | None = None,
    ) -> Connector:
        """Connect to `host`. `on_failure(exc)` is called once if no connection comes about; else that is reported.

        `server_hostname`: what the certificate must be for, `host` unless given. `retry`: how to try again. `sock`: a
        connected stream socket to use in place of connecting; it is the connection's from then on.
        """
        filters = _client_tls(tls, server_hostname or host)
        return self._dial(factory, TCPAddress(host, port), filters, limits, on_failure, retry, sock)

    def connect_unix(
        self,
        factory: Factory,
        path: str | os.PathLike[str],
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        limits: Limits | None = None,
        sock: socket.socket | None = None,
        on_failure: Failure | None = None,
        retry: Backoff | None = None,
    ) -> Connector:
        """Connect to a path, or to an abstract name ("@name"), as `connect_tcp()` does to a host."""
        name = os.fspath(path)
        address = UnixAddress("\0" + name[1:] if name.startswith("@") else name)
        return self._dial(factory, address, _client_tls(tls, server_hostname), limits, on_failure, retry, sock)

    # --- putting together

    def _serve(self, factory: Factory, socks: Listening, tls: ssl.SSLContext | None, limits: Limits | None) -> Server:
        bounds = limits or Limits()
        secure = None if tls is None else _server_tls(tls, socks)

        def ended(connection: Connection, cause: BaseException | None, sock: socket.socket) -> None:
            self._let_go(connection, sock)
            if not connection.made and cause is not None:  # without a cause it was our own doing
                self._handshake_failures += 1
                _log.debug("TLS handshake with %r failed: %s", connection.get_extra_info("peername"), cause)
            server.lost(connection)

        def establish(sock: socket.socket, peer: Any) -> Connection | None:
            return self._connect(sock, peer, factory, bounds, secure, ended, None)

        server = Server(self, socks, bounds, establish, self._server_closed)
        self._servers.add(server)
        return server

    def _server_closed(self, server: Server) -> None:
        if server in self._servers:
            self._servers.remove(server)
            self._refused += server.refused
            self._shed += server.shed

    def _dial(
        self,
        factory: Factory,
        address: TCPAddress | UnixAddress,
        tls: TLS | None,
        limits: Limits | None,
        on_failure: Failure | None,
        retry: Backoff | None,
        given: socket.socket | None,
    ) -> Connector:
        self._check_open()
        bounds = limits or Limits()

        def failed(exc: BaseException) -> None:
            self._connectors.discard(connector)
            if on_failure is not None:
                on_failure(exc)
            else:
                self.call_exception_handler({"message": "no connection, and no on_failure", "exception": exc})

        def ended(connection: Connection, cause: BaseException | None, sock: socket.socket) -> None:
            self._let_go(connection, sock)
            if not connection.made and cause is not None:  # without a cause it was cancelled
                failed(cause)

        def connected(sock: socket.socket, peer: Any) -> Callable[[], object] | None:
            self._connectors.discard(connector)
            connection = self._connect(sock, peer, factory, bounds, tls, ended, failed)
            if connection is None:
                return None
            connection.start()
            return lambda: None if connection.made else connection.abort()

        connector = Connector(self, address, connected, failed, bounds.connect_timeout, retry, given)
        self._connectors.add(connector)
        return connector

    def _connect(
        self,
        sock: socket.socket,
        peer: Any,
        factory: Factory,
        limits: Limits,
        tls: TLS | None,
        on_end: Callable[[Connection, BaseException | None, socket.socket], object],
        on_failure: Failure | None,
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

        connection = Connection(self, sock, protocol, limits, self._memory, peer, on_end, tls)
        self._connections[connection] = None
        return connection

    def _let_go(self, connection: Connection, sock: socket.socket) -> None:
        """Forget a connection that is over; close its socket, at once or when its last bytes have arrived."""
        self._connections.pop(connection, None)
        if connection.may_lose_bytes() and len(self._lingers) < _MOST_LINGERS:
            self._lingers.add(Linger(self, sock, self._memory, self._lingered))
        else:
            sockets.close(sock, connection.reset)
            self._descriptor_freed()

    def _lingered(self, linger: Linger) -> None:
        self._lingers.discard(linger)
        self._descriptor_freed()

    def _descriptor_freed(self) -> None:
        for server in list(self._servers):
            server.descriptor_freed()

    # --- the loop's own

    def stats(self) -> dict[str, int]:
        """Return the loop's counters, and those of connections and servers."""
        return {
            **super().stats(),
            "connections": len(self._connections),
            "servers": len(self._servers),
            "handshake_failures": self._handshake_failures,
            "refused": self._refused + sum(server.refused for server in self._servers),
            "shed": self._shed + sum(server.shed for server in self._servers),
        }

    def close(self) -> None:
        """End everything: servers, connectors, then connections, each with its `connection_lost(None)`."""
        if not self._closed and not self._in_turn:
            for server in list(self._servers):
                server.close()
            for connector in list(self._connectors):
                connector.cancel()
            for connection in list(self._connections):
                connection.abort()
            self._run_closes()
            for linger in list(self._lingers):
                linger.close()
        super().close()


def _client_tls(tls: ssl.SSLContext | None, server_hostname: str | None) -> TLS | None:
    return None if tls is None else TLS(tls, False, server_hostname)


def _server_tls(tls: ssl.SSLContext, socks: Listening) -> TLS:
    """Raise at once what every handshake would fail with."""
    try:
        return TLS(tls, True)
    except (ssl.SSLError, ValueError):
        for sock, path in socks:
            sockets.close(sock, reset=False)
            if path is not None:
                path.remove()
        raise
