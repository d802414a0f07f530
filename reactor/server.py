"""Server: listening sockets and the connections that came through them. Law: it counts; how to connect it is told."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from .loop import EventLoop, Timer
from .transport import Connection, Limits, Listener, sockets
from .transport.unix import UnixPath

Establish = Callable[[socket.socket, Any], "Connection | None"]


class Drained(NamedTuple):
    """How a drain ended its connections: `closed` in good order, `aborted` at the deadline."""

    closed: int
    aborted: int


class Server:
    """Made by `Reactor.listen_tcp` and `listen_unix`."""

    def __init__(
        self,
        loop: EventLoop,
        socks: list[tuple[socket.socket, UnixPath | None]],
        limits: Limits,
        establish: Establish,
        on_closed: Callable[[Server], object],
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._establish = establish
        self._on_closed = on_closed
        self._connections: dict[Connection, None] = {}  # in order, and leaner than a set of thousands
        self._per_peer: Counter[Any] = Counter()
        self._hosts: dict[Any, Any] = {}  # of each host one string, though a gateway brings thousands
        self._drain: Drain | None = None
        self.refused = 0  # connections that a limit closed
        self._listeners = [Listener(loop, sock, self._accepted, path) for sock, path in socks]

    @property
    def addresses(self) -> list[Any]:
        """Where it listens, each as `getsockname` says it."""
        return [listener.address for listener in self._listeners]

    @property
    def connections(self) -> int:
        """How many connections stand."""
        return len(self._connections)

    @property
    def shed(self) -> int:
        """How many connections were reset because the process had no descriptor left."""
        return sum(listener.shed for listener in self._listeners)

    def close(self) -> None:
        """Accept nobody any more. Connections that stand go on. Idempotent."""
        for listener in self._listeners:
            listener.close()
        self._on_closed(self)

    def drain(self, grace: float, on_done: Callable[[Drained], object] | None = None) -> None:
        """Accept nobody any more, and end the connections: the idle ones now, the others when they are.

        Idle is who has no message half received, undelivered or unsent. Who isn't after `grace` seconds is aborted.
        `on_done(Drained)` is called when the last one has ended; never from inside this call.
        """
        self.close()
        if self._drain is None:
            self._drain = Drain(self._loop, self._connections, grace)
        self._drain.tell(on_done)

    def descriptor_freed(self) -> None:
        """Accept again at once, if it held off for want of one."""
        for listener in self._listeners:
            listener.descriptor_freed()

    def _accepted(self, sock: socket.socket, peer: Any) -> None:
        host = _host_of(peer)
        if self._is_too_much(host):
            self.refused += 1
            sockets.close(sock, reset=True)
            return
        if isinstance(peer, tuple):
            peer = (self._hosts.get(host, host), *peer[1:])
        connection = self._establish(sock, peer)
        if connection is None:
            return
        self._connections[connection] = None
        self._hosts.setdefault(host, host)
        self._per_peer[host] += 1
        if self._is_full() and self._limits.when_full == "park":
            for listener in self._listeners:
                listener.park()
        connection.start()
        if self._drain is not None:  # begun by the factory, or by connection_made
            connection.close_when_quiet()

    def _is_full(self) -> bool:
        cap = self._limits.max_connections
        return cap is not None and len(self._connections) >= cap

    def _is_too_much(self, host: Any) -> bool:
        cap = self._limits.max_per_peer
        return self._is_full() or (cap is not None and host is not None and self._per_peer[host] >= cap)

    def lost(self, connection: Connection) -> None:
        """Note that a connection is over."""
        host = _host_of(connection.get_extra_info("peername"))
        self._connections.pop(connection, None)
        self._per_peer[host] -= 1
        if not self._per_peer[host]:
            del self._per_peer[host], self._hosts[host]
        for listener in self._listeners:
            listener.unpark()
        if self._drain is not None:
            self._drain.lost(connection)


class Drain:
    """The ending of a server's connections, within a time."""

    def __init__(self, loop: EventLoop, connections: dict[Connection, None], grace: float) -> None:
        self._loop = loop
        self._connections = connections
        self._to_tell: list[Callable[[Drained], object]] = []
        self._closed = self._aborted = 0
        self._timer: Timer = loop.call_later(grace, self._abort_all)
        for connection in list(connections):
            connection.close_when_quiet()

    def tell(self, on_done: Callable[[Drained], object] | None) -> None:
        """Call `on_done` when the last connection has ended."""
        if on_done is not None:
            self._to_tell.append(on_done)
        self._loop.call_soon(self._look)

    def lost(self, connection: Connection) -> None:
        if connection.reset:
            self._aborted += 1
        else:
            self._closed += 1
        self._loop.call_soon(self._look)

    def _abort_all(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    def _look(self) -> None:
        if self._connections:
            return
        self._timer.cancel()
        to_tell, self._to_tell = self._to_tell, []
        for on_done in to_tell:
            self._loop.call_soon(on_done, Drained(self._closed, self._aborted))


def _host_of(peer: Any) -> Any:
    """Return what connections are counted by: the host; peers at a Unix socket have none."""
    return peer[0] if isinstance(peer, tuple) else None
