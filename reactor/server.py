"""Server: listening sockets and the connections that came through them. Law: it counts; how to connect it is told."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .arguments import check_callable
from .gate import Gate
from .guests import Guests
from .loop import EventLoop, Timer
from .loop.report import Repeats, say
from .transport import Connection, Limits, Listener, sockets
from .transport.address import format_address
from .transport.linger import Linger
from .transport.proxy import ProxyHeader, ProxyInfo
from .transport.unix import UnixPath

Establish = Callable[[socket.socket, Any], "Connection | None"]

_log = logging.getLogger(__name__)


class Drained(NamedTuple):
    """How a drain ended its connections: `closed` in good order, `aborted` at the deadline."""

    closed: int
    aborted: int


class Server:
    """Made by `Reactor.listen_tcp` and `listen_unix`.

    A connection that is over and whose socket lingers for its last bytes has a place by the limits, too, and gives it
    up to a newcomer: the oldest first.
    """

    def __init__(
        self,
        loop: EventLoop,
        limits: Limits,
        establish: Establish,
        on_over: Callable[[Server], object],
        make_room: Callable[[], bool],
        proxy: ProxyHeader | None = None,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._establish = establish
        self._on_over = on_over  # called when it is closed, and all its sockets are
        self._make_room = make_room
        self._guests = Guests(loop, limits.first_message_timeout)
        self._gate = None if proxy is None else Gate(loop, proxy, self._shown, self._refused_at_gate)
        self._lingers: dict[Linger, Any] = {}  # oldest first, each with its host
        self._per_peer: Counter[Any] = Counter()  # both of these
        self._hosts: dict[Any, Any] = {}  # of each host one string, though a gateway brings thousands
        self._listeners: list[Listener] = []
        self._drain: Drain | None = None
        self._parked = False
        self.closed = False
        self._refusals = {limit: Repeats() for limit in ("max_connections", "max_per_peer")}

    def listen(self, socks: list[tuple[socket.socket, UnixPath | None]], shared: bool = False) -> None:
        """Take who comes to these sockets, and own them. If this raises, they are still the caller's.

        `shared`: other processes may listen on them, too.
        """
        try:
            for sock, path in socks:
                self._listeners.append(Listener(self._loop, sock, self._accepted, path, self._make_room, shared))
            say(_log, logging.INFO, "listening at %s", self)
        except BaseException:
            for listener in self._listeners:
                listener.let_go()
            raise

    def __repr__(self) -> str:
        state = "draining" if self._drain and self._guests else "closed" if self.closed else "listening"
        return f"<Server {state} at {self}, connections={self.connections}>"

    def __str__(self) -> str:
        return ", ".join(map(format_address, self.addresses))

    @property
    def addresses(self) -> list[Any]:
        """Where it listens, each as `getsockname` says it."""
        return [listener.address for listener in self._listeners]

    @property
    def connections(self) -> int:
        """How many connections stand."""
        return len(self._guests)

    @property
    def refused(self) -> int:
        """How many connections a limit closed."""
        return sum(each.count for each in self._refusals.values())

    @property
    def shed(self) -> int:
        """How many connections were reset because the process had no descriptor left."""
        return sum(listener.shed for listener in self._listeners)

    def close(self) -> None:
        """Accept nobody any more. Connections that stand go on. Idempotent."""
        self._loop.check_thread("close")
        if not self.closed:
            self.closed = True
            for listener in self._listeners:
                listener.close()
            self._look_whether_over()
            say(_log, logging.INFO, "no longer listening at %s", self)

    def drain(self, grace: float, on_done: Callable[[Drained], object] | None = None) -> None:
        """Accept nobody any more, and end the connections: the idle ones now, the others when they are.

        Idle is who has no message half received, undelivered or unsent. Who isn't after `grace` seconds is aborted; of
        several calls the earliest deadline holds. `on_done(Drained)` is called when the last one has ended; never from
        inside this call. `Reactor.close()` still waits until the peers have everything.
        """
        self._loop.check_thread("drain")
        check_drain(grace, on_done)
        if self._drain is None:
            say(_log, logging.INFO, "draining %s: %d connections, %g s", self, self.connections, grace)
        self.close()
        if self._drain is None:
            self._drain = Drain(self._loop, self._guests, self.abort, str(self), self._gate)
        self._drain.bound(grace)
        self._drain.tell(on_done)

    def abort(self) -> None:
        """End all connections now, with a reset."""
        self._loop.check_thread("abort")
        if self._gate is not None:
            self._gate.abort()
        for connection in list(self._guests):
            connection.abort()

    def abandon(self) -> None:
        """Let go of all sockets without a word to anybody, in a child of fork(): they are the parent's."""
        self.closed = True
        for listener in self._listeners:
            listener.close()
        if self._gate is not None:
            self._gate.abandon()
        for connection in list(self._guests):
            connection.abandon()
        self._guests.clear()

    def descriptor_freed(self) -> None:
        """Accept again at once, if it held off for want of one."""
        for listener in self._listeners:
            listener.descriptor_freed()

    def _accepted(self, sock: socket.socket, peer: Any) -> None:
        if self._gate is None:
            return self._admit(sock, peer)
        if self._is_full():
            sockets.close(sock, reset=True)
            return self._note_refusal("max_connections")
        self._per_peer[None] += 1  # it is known for whom when the header is
        self._gate.take(sock, peer)
        return self._park_if_full()

    def _shown(self, sock: socket.socket, peer: Any, info: ProxyInfo) -> None:
        """Take somebody who has come through a proxy, now that it has said for whom."""
        try:
            self._admit(sock, peer, info)
        finally:
            self._refused_at_gate()

    def _refused_at_gate(self) -> None:
        """Give back the place of one who has waited at the gate."""
        self._unpark()
        if self._drain is not None:
            self._drain.look_soon()
        self._leave(None)

    def _admit(self, sock: socket.socket, peer: Any, info: ProxyInfo | None = None) -> None:
        host = _host_of(peer)
        limit = self._limit_reached(host)
        if limit is not None:
            sockets.close(sock, reset=True)
            return self._note_refusal(limit)
        self._loop.counts["accepted"] += 1
        self._per_peer[host] += 1  # before user code, which may close this server: it isn't over yet
        if isinstance(peer, tuple):
            peer = (self._hosts.setdefault(host, host), *peer[1:])
        connection = None
        try:
            connection = self._establish(sock, peer)
        finally:
            if connection is None:
                sockets.close(sock, reset=True)
                self._leave(host)
        if connection is None:
            return None
        self._guests.known[connection] = None  # in no call, into which an exception out of nowhere could come
        self._guests.add(connection)
        if info is not None:
            connection.know({"proxy": info})
        if self._lingers:
            self._give_up_lingers(host)
        self._park_if_full()
        connection.start()
        if self._drain is not None:  # begun by the factory, or by connection_made
            connection.close_when_quiet()
        return None

    def _park_if_full(self) -> None:
        if self._limits.when_full == "park" and self._is_full():
            self._parked = True
            for listener in self._listeners:
                listener.park()

    def _unpark(self) -> None:
        if self._parked and not self._is_full():
            self._parked = False
            for listener in self._listeners:
                listener.unpark()

    def _note_refusal(self, limit: str) -> None:
        self._loop.counts[f"refused_{limit}"] += 1
        if more := self._refusals[limit].note(self._loop.time()):
            fact = f"{limit} is {getattr(self._limits, limit)}"
            say(_log, logging.WARNING, "%s has refused %d more: %s", self, more, fact)

    def traffic(self) -> Iterator[tuple[int, ...]]:
        """Yield what has come and gone over each connection."""
        return (each.traffic() for each in self._guests)

    def mend(self) -> None:
        """Count anew, and listen anew, behind an exception out of nowhere."""
        hosts = [_host_of(each.get_extra_info("peername")) for each in self._guests]
        if self._gate is not None:
            hosts += self._gate.hosts()
            self._gate.mend()
        self._per_peer = Counter([*hosts, *self._lingers.values()])
        for listener in self._listeners:
            listener.mend()
        for connection in list(self._guests):
            connection.mend()
        self._guests.mend()
        self._look_whether_over()

    def _is_full(self) -> bool:
        waiting = 0 if self._gate is None else len(self._gate)
        return _reached(self._limits.max_connections, len(self._guests) + waiting)

    def _limit_reached(self, host: Any) -> str | None:
        """Name the limit by which there is no place for one more of this host."""
        if self._guests.are_as_many_as(self._limits.max_connections):
            return "max_connections"
        if host is None or not _reached(self._limits.max_per_peer, self._per_peer[host]):
            return None
        return None if host in self._lingers.values() else "max_per_peer"

    def _give_up_lingers(self, host: Any) -> None:
        """Close the oldest sockets that linger and are one too many, of this host or of all."""
        most, of_one = self._limits.max_connections, self._limits.max_per_peer
        if of_one is not None and host is not None and self._per_peer[host] > of_one:
            next(linger for linger, its_host in self._lingers.items() if its_host == host).give_up()
        if most is not None and len(self._guests) + len(self._lingers) > most:
            next(iter(self._lingers)).give_up()

    def lost(self, connection: Connection, linger: Linger | None) -> None:
        """Note that a connection is over; and who lingers for it, if somebody does: then `lingered()` follows."""
        host = _host_of(connection.get_extra_info("peername"))
        self._guests.discard(connection)
        if self._drain is not None:
            self._drain.lost(connection)
        self._unpark()
        if linger is None:
            self._leave(host)
        else:
            self._lingers[linger] = host

    def lingered(self, linger: Linger) -> None:
        """Note that the socket of one who lingered is closed."""
        self._leave(self._lingers.pop(linger))

    def _leave(self, host: Any) -> None:
        """Give back a place."""
        self._per_peer[host] -= 1
        if not self._per_peer[host]:
            del self._per_peer[host]
            self._hosts.pop(host, None)
        self._look_whether_over()

    def _look_whether_over(self) -> None:
        if self.closed and not self._per_peer:
            self._guests.rest()
            self._on_over(self)


class Drain:
    """The ending of a server's connections, within a time."""

    def __init__(
        self, loop: EventLoop, guests: Guests, abort: Callable[[], object], server: str, gate: Gate | None = None
    ) -> None:
        self._loop = loop
        self._guests = guests
        self._abort = abort
        self._gate = gate  # who waits there may have sent a message behind the header
        self._to_tell: list[Callable[[Drained], object]] = []
        self._closed = self._aborted = 0
        self._server = server
        self._is_over = False
        self._timer: Timer | None = None
        for connection in list(guests):
            connection.close_when_quiet()

    def bound(self, grace: float) -> None:
        """Abort who isn't done in `grace` seconds, unless there is an earlier deadline."""
        deadline = self._loop.time() + grace
        if self._timer is None or deadline < self._timer.when:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._too_late)

    def tell(self, on_done: Callable[[Drained], object] | None) -> None:
        """Call `on_done` when the last connection has ended."""
        if on_done is not None:
            self._to_tell.append(on_done)
        self.look_soon()

    def lost(self, connection: Connection) -> None:
        if connection.reset:
            self._aborted += 1
        else:
            self._closed += 1
        self.look_soon()

    def look_soon(self) -> None:
        self._loop.call_soon(self._look)

    def _too_late(self) -> None:
        # What has come in time is still answered, and who ended because of that is not there any more a turn later.
        self._loop.call_after_look(self._loop.call_soon, self._abort)

    def _look(self) -> None:
        if self._guests or self._gate:
            return
        if self._timer is not None:
            self._timer.cancel()
        to_tell, self._to_tell = self._to_tell, []
        for on_done in to_tell:
            self._loop.call_soon(on_done, Drained(self._closed, self._aborted))
        if not self._is_over:
            self._is_over = True
            text = "drained %s: %d closed, %d aborted"
            say(_log, logging.INFO, text, self._server, self._closed, self._aborted)


def check_drain(grace: float, on_done: object) -> None:
    """Judge what a drain is given, before anything ends."""
    if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not grace >= 0:
        raise ValueError(f"grace is {grace!r}, it must be seconds, 0 or more")
    check_callable("on_done", on_done)


def _reached(cap: int | None, count: int) -> bool:
    return cap is not None and count >= cap


def _host_of(peer: Any) -> Any:
    """Return what connections are counted by: the host; peers at a Unix socket have none."""
    return peer[0] if isinstance(peer, tuple) else None
