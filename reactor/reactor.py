"""Reactor: the loop with its doors. Law: it puts the parts together, and has no mechanism of its own."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from .arguments import (
    check_connecting,
    check_door,
    check_host,
    check_listening,
    local_of,
    owns_descriptor,
    owns_sock,
    path_of,
)
from .datagrams import DatagramDoors
from .dial import Dial, Failure, OnEnd, Plan
from .handlers import check_protocol
from .late import ssl
from .loop.report import say
from .server import Drained, Server, check_drain
from .transport import Backoff, Connection, Connector, Limits, sockets
from .transport.address import TCPAddress, UnixAddress, server_name
from .transport.core import Unwatched
from .transport.pipe import Pipe, PipeConnection
from .transport.proxy import ProxyHeader
from .transport.resolver import check_port, listen_on_all
from .transport.tls import TLS
from .transport.unix import UnixPath, listen_on_path

Factory = Callable[[], Any]
Listening = list[tuple[socket.socket, "UnixPath | None"]]

_BACKLOG = 511  # what redis and nginx ask for; the kernel caps it at somaxconn
_UNIX_MODE = 0o600  # who may connect: the owner, unless asked otherwise
_log = logging.getLogger(__name__)


class Reactor(DatagramDoors):
    """An event loop that listens and connects. `factory()` makes a protocol for each connection.

    What fails at once raises there, a port in use for one: an OSError that names the address. A `sock` that is given
    is owned from the call on: it is closed if the call raises, whatever for. `close()` ends every connection, each with
    its `connection_lost`. `Reactor(selector=None, clock=time.monotonic)`, as `EventLoop`.
    """

    _listen_on_path: Callable[[str, int, int], tuple[socket.socket, UnixPath | None]] = staticmethod(listen_on_path)

    # --- doors

    @owns_descriptor
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
        proxy: ProxyHeader | None = None,
    ) -> Server:
        """Listen at every address of `host` (None or "": all of this machine), with one port; 0 for a free one.

        `sock`: a bound stream socket, or its descriptor, to listen on in place of these: an inherited one, or one of
        systemd's. It is owned from the call on: closed if this raises. `proxy`: who comes says first for whom, before
        TLS, too; that is then "peername", and "proxy" has the rest, a `ProxyInfo`.
        """
        self.check_thread("listen_tcp")
        check_listening(host, backlog, sock, proxy)
        if sock is None:
            check_port(port)

        def listen() -> Listening:
            return [(each, None) for each in listen_on_all(host, port, backlog, reuse_port, self.machine)]

        return self._serve(factory, listen, backlog, sock, tls, limits, proxy)

    @owns_descriptor
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
        proxy: ProxyHeader | None = None,
    ) -> Server:
        """Listen at a path, or at an abstract name ("@name"). The file is removed at the end, if it is still ours.

        A socket file that nobody listens on any more is replaced; `mode` are the file's permissions. `sock` and `proxy`
        as in `listen_tcp()`.
        """
        self.check_thread("listen_unix")
        check_listening(None, backlog, sock, proxy)
        if path is None and sock is None:
            raise ValueError("path is None: listen_unix() needs a path, or a sock")
        name = "" if path is None else path_of(path)
        return self._serve(
            factory, lambda: [self._listen_on_path(name, backlog, mode)], backlog, sock, tls, limits, proxy
        )

    @owns_sock
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
        reconnect: Backoff | None = None,
        local_addr: tuple[str, int] | None = None,
    ) -> Connector:
        """Connect to `host`. `on_failure(exc)` is called once if no connection comes about; else that is reported.

        `server_hostname`: what the certificate must be for, `host` unless given. `retry`: how to try again, also when
        TLS fails. `reconnect`: dial again whenever the connection ends, until `Connector.close()`; each time names are
        resolved anew and `factory` makes a new protocol; the first connection is tried for by it, too, unless there is
        a `retry`; `on_failure` then tells that no other try follows. `local_addr`: the IP address and port to connect
        from, 0 for any port. `sock`: a connected stream socket to use in place of connecting, once; it is owned from
        the call on: closed if this raises.
        """
        self.check_thread("connect_tcp")
        if sock is None:
            check_host(host)
            check_port(port)
        check_connecting(on_failure, retry, reconnect, server_hostname, sock)
        name, local = server_name(server_hostname or host), local_of(local_addr, sock)
        plan = Plan(TCPAddress(host, port), retry, reconnect, local, sock)
        return self._dial(factory, plan, tls, name, limits, on_failure)

    @owns_sock
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
        reconnect: Backoff | None = None,
    ) -> Connector:
        """Connect to a path, or to an abstract name ("@name"), as `connect_tcp()` does to a host, `sock` and all."""
        self.check_thread("connect_unix")
        name = "" if path is None and sock is not None else path_of(path)
        address = UnixAddress("\0" + name[1:] if name.startswith("@") else name)
        check_connecting(on_failure, retry, reconnect, server_hostname, sock)
        plan = Plan(address, retry, reconnect, None, sock)
        return self._dial(factory, plan, tls, server_name(server_hostname), limits, on_failure)

    def connect_pipe(
        self, factory: Factory, read: Any = None, write: Any = None, *, limits: Limits | None = None
    ) -> Connection:
        """Return the transport of a protocol over files: pipes, fifos, ttys, stdio, and regular files in their place.

        `read`, `write`: file objects or descriptors, one of them or both, which may be one. They are owned from the
        call on: they never block, are closed at the end of the connection, or if this raises, but for stdio (0 to 2),
        and block again if they did before. What a file object has read ahead stays in it.
        """
        pipe = Pipe(read, write)
        try:
            self.check_thread("connect_pipe")
            check_door(factory, None, limits)
            self._check_doors()
            pipe.open()
            protocol = factory()
            check_protocol(protocol, "the factory %r returned", factory)
            connection = PipeConnection(self, pipe, protocol, limits or Limits(), self._memory, self._pipe_over)
            pipe.setblocking(False)
        except BaseException:
            pipe.close()
            raise
        self._dialled[connection] = None
        self.call_soon(connection.start)
        return connection

    def drain(self, grace: float, on_done: Callable[[Drained], object] | None = None) -> None:
        """Drain all servers, as `Server.drain()` does; `on_done(Drained)` is called once, with the sums of all.

        Connectors begin no other try, and no connection of theirs comes back; one that stands, or is being made, may be
        what an answer waits for, and goes on.
        """
        self.check_thread("drain")
        check_drain(grace, on_done)
        results: list[Drained] = []
        servers = list(self._servers)

        def drained(one: Drained) -> None:
            results.append(one)
            if len(results) >= len(servers) and on_done is not None:
                on_done(Drained(sum(each.closed for each in results), sum(each.aborted for each in results)))

        for connector in list(self._connectors):
            connector.dial_no_more()
        for server in servers:
            server.drain(grace, drained)
        if not servers:
            self.call_soon(drained, Drained(0, 0))

    # --- putting together

    def _serve(
        self,
        factory: Factory,
        listen: Callable[[], Listening],
        backlog: int,
        given: Any,  # a socket by now
        tls: ssl.SSLContext | None,
        limits: Limits | None,
        proxy: ProxyHeader | None,
    ) -> Server:
        check_door(factory, tls, limits)
        self._check_doors()
        bounds, secure = limits or Limits(), _tls_of(tls, True, None)

        def ended(connection: Connection, cause: BaseException | None, sock: socket.socket) -> None:
            if not connection.made and isinstance(cause, OSError):
                self._never_made(connection, cause, secure is not None)
            server.lost(connection, self._let_go(connection, sock, server))

        def establish(sock: socket.socket, peer: Any) -> Connection | None:
            return self._connect(sock, peer, factory, bounds, secure, ended)

        server = Server(self, bounds, establish, self._server_over, self._lingers.give_up_oldest, proxy)
        if given is not None:
            sockets.adopt_listening(given, backlog)
        socks: Listening = listen() if given is None else [(given, None)]
        try:
            server.listen(socks, shared=given is not None)
        except BaseException:
            _undo(socks, shared=given is not None)
            raise
        self._servers[server] = None
        return server

    def _dial(
        self,
        factory: Factory,
        plan: Plan,
        tls: ssl.SSLContext | None,
        name: str | None,
        limits: Limits | None,
        on_failure: Failure | None,
    ) -> Connector:
        check_door(factory, tls, limits)
        self._check_doors()
        bounds, secure = limits or Limits(), _tls_of(tls, False, name)

        def establish(sock: socket.socket, peer: Any, on_end: OnEnd, on_failure: Failure) -> Connection | None:
            connection = self._connect(sock, peer, factory, bounds, secure, on_end, on_failure)
            if connection is not None:
                self._dialled[connection] = None
            return connection

        dial = Dial(self, establish, self._let_go, on_failure, self._connectors.discard)
        connector = dial.begin(plan, bounds.connect_timeout)
        self._connectors.add(connector)
        return connector

    def _connect(
        self,
        sock: socket.socket,
        peer: Any,
        factory: Factory,
        limits: Limits,
        tls: TLS | None,
        on_end: OnEnd,
        on_failure: Failure | None = None,
    ) -> Connection | None:
        """Return a connection on `sock`, not started; None if user code failed: that is reported, `sock` closed."""
        self._in_hand = sock
        try:
            protocol = factory()
            if self._abandoned:  # it has forked, and has come back in the child
                return None
            check_protocol(protocol, "the factory %r returned", factory)  # or whoever connects would wait for ever
            return Connection(self, sock, protocol, limits, self._memory, peer, on_end, tls)
        except BaseException as exc:
            sockets.close(sock, reset=True)
            if isinstance(exc, (KeyboardInterrupt, SystemExit)):
                raise
            self.call_exception_handler({"message": "exception in the protocol factory", "exception": exc})
            if on_failure is not None:
                on_failure(exc)
            return None
        finally:
            self._in_hand = None

    def _pipe_over(self, connection: Connection, cause: BaseException | None, pipe: Any) -> None:
        if not connection.made and isinstance(cause, OSError):
            self._never_made(connection, cause, False)
        self._let_go(connection, pipe)

    def _never_made(self, connection: Connection, cause: BaseException, is_tls: bool) -> None:
        """Note that somebody was accepted, or given a pipe, and no connection came of it."""
        if is_tls and not isinstance(cause, Unwatched):
            self.counts["handshake_failures"] += 1
            peer = connection.get_extra_info("peername")
            say(_log, logging.DEBUG, "TLS handshake with %r failed: %s", peer, cause)
        else:
            self.call_exception_handler(
                {"message": "no connection came of one that was accepted", "exception": cause, "transport": connection}
            )


def _tls_of(context: ssl.SSLContext | None, server_side: bool, name: str | None) -> TLS | None:
    """Return how the connections of a door are secured. Raises at once what would be wrong with every one."""
    return None if context is None else TLS(context, server_side, name)


def _undo(socks: Listening, shared: bool) -> None:
    """Let go of sockets that listen already."""
    for sock, path in socks:
        if path is not None:
            path.remove()
        sockets.close(sock, reset=False, shared=shared)
