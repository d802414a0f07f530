"""Adapter: a protocol of ours on a transport of asyncio's. Law: the connection is the same class as everywhere.

asyncio reads into the memory that all connections of its loop share, and the stream cuts it there; what is sent waits
in the stream and leaves in one write behind the callbacks of asyncio's iteration. State, limits, waits, the cap and the
order of callbacks are `Connection`'s: there is no second one to agree with.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import repeat
from threading import get_ident
from typing import Any
from weakref import WeakValueDictionary

from ..arguments import check_door
from ..handlers import check_handlers, check_protocol
from ..loop import Timer
from ..reactor import Reactor
from ..transport import Connection, Limits, _stream, sockets
from ..transport.buffers import PLAIN_ROOM
from .attach import Attached
from .bridge import Bell, Bridge, BridgeSelector

_SENDS = {"send", "send_many", "write", "writelines"}
_hosts: WeakValueDictionary[int, Host] = WeakValueDictionary()  # by the id of their loop, which they hold


class Host(Reactor):
    """The reactor of all adapted connections of one asyncio loop. It has no descriptor: asyncio tells it all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._attached: Attached | None = None
        self._armed: list[bool] = []  # a timer is new: asyncio may have to wake up earlier
        super().__init__(BridgeSelector(self.ring), time.monotonic)
        # In one step this thread may write no more without asking, and what tasks have sent leaves: when an exception
        # out of nowhere meets that call, the next task that sends asks for another.
        nobodys = map(self.runs_on.__setitem__, repeat(0), repeat(0))
        self._let_leave = map(self._leave_behind_tasks, nobodys).__next__
        self.unsettled = (self._flushes, self._closes, self._armed)  # empty: nothing is to be done behind a read
        self.set_exception_handler(lambda _, context: loop.call_exception_handler(context))
        self._attached = Attached(self, loop)

    def _new_waker(self) -> Any:
        return Bell(self.loop, self._woken)

    def _woken(self) -> None:
        self._waker.drain()
        self.ring()

    def ring(self) -> None:
        """Have a turn made, from outside of one."""
        if self._attached is not None:
            self._attached.ring("ring")

    def check_thread(self, name: str) -> None:
        """Do what every loop does. What tasks send needs no turn: it leaves with one call, behind all of them."""
        attached = self._attached
        if attached is None or self._in_turn or name not in _SENDS:
            return super().check_thread(name)
        attached.check_thread(name)
        self.loop.call_soon(self._let_leave)
        self.runs_on[0] = get_ident()
        return None

    def _leave_behind_tasks(self, _: None) -> None:
        self.leave()

    def leave(self) -> None:
        """Let what was answered leave, and have a turn made if anything else is to be done."""
        was_whole = self._whole
        self._whole = False  # an exception out of nowhere may meet this: a turn then mends all
        try:
            if self._flushes:
                self._run_flushes()
            self.be_nobodys()
            self._whole = was_whole
        finally:
            self._see_to_rest()

    def _see_to_rest(self) -> None:
        self._armed.clear()
        attached, heap = self._attached, self._timers.heap
        if attached is None:
            return
        is_early = bool(heap) and heap[0][0] < attached.wakes_at
        if is_early or self._ready or self._closes or self._look is not None or not self._whole:
            attached.ring("leave")

    def timer(self, callback: Callable[..., object], *args: Any) -> Timer:
        """Do what every loop does, and look behind this read when it is due."""
        self._armed.append(True)
        return super().timer(callback, *args)

    def raised(self, exc: BaseException) -> None:
        """Let asyncio's loop meet what came out of a read: from there uvloop and TLS take it for the connection's."""
        if isinstance(exc, (KeyboardInterrupt, SystemExit)):
            self.loop.call_soon(_leave_with, exc)
        else:
            self.call_exception_handler({"message": "exception behind a read", "exception": exc})

    def take(self, connection: Connection) -> None:
        """Know a connection until it is over."""
        self._dialled[connection] = None

    def over(self, connection: Connection) -> None:
        """Forget a connection; its counts stay."""
        self._dialled.pop(connection, None)
        connection.leave_traffic()

    @property
    def memory(self) -> memoryview:
        """Where asyncio reads to, for all connections."""
        return self._memory


def host_of(loop: asyncio.AbstractEventLoop) -> Host:
    """Return the host of a loop; it lives as long as one of its connections."""
    host = _hosts.get(id(loop))
    if host is None:
        host = _hosts[id(loop)] = Host(loop)
    return host


class AdaptedConnection(Connection):
    """A connection over asyncio's transport, which may have TLS that we don't see."""

    __slots__ = ()

    def can_write_eof(self) -> bool:
        transport: Any = self._sock
        return super().can_write_eof() and bool(transport.can_end_alone())

    def write_eof(self) -> None:
        if not self.can_write_eof():
            raise RuntimeError("write_eof() under TLS: it can't end one side alone")
        super().write_eof()


class Adapter(asyncio.BufferedProtocol):
    """What asyncio calls. `protocol` is the one that the factory made, `connection` its transport."""

    def __init__(self, protocol: Any, limits: Limits) -> None:
        self.protocol = protocol
        self.connection: Connection | None = None
        self._limits = limits
        self._intake = intake = _stream.Intake()
        self.get_buffer, self.buffer_updated = intake.get_buffer, intake.buffer_updated  # type: ignore[method-assign]

    def connection_made(self, transport: Any) -> None:
        self._host = host = host_of(asyncio.get_running_loop())
        patience = self._limits.close_timeout
        self._bridge = Bridge(transport, host.selector, host.loop.call_later, patience)  # type: ignore[arg-type]
        peer = transport.get_extra_info("peername")
        sock: Any = self._bridge
        self.connection = connection = AdaptedConnection(
            host, sock, self.protocol, self._limits, host.memory, peer, self._over
        )
        connection.know(self._bridge.facts())
        room = host.memory[PLAIN_ROOM:]
        self._intake.begin(connection.stream, host.runs_on, room, host.unsettled, host.leave, host.raised)
        host.take(connection)
        host.be_ours()
        try:
            connection.start()
        except (KeyboardInterrupt, SystemExit) as exc:
            host.raised(exc)
        finally:
            host.leave()

    def eof_received(self) -> bool:
        self._bridge.end()
        return self._bridge.transport.get_extra_info("ssl_object") is None  # TLS can't end one side alone

    def pause_writing(self) -> None:
        if self.connection is not None:  # TLS may pause before there is one, and when it is over
            self._bridge.room(full=True)

    def resume_writing(self) -> None:
        if self.connection is not None:
            self._bridge.room(full=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._bridge.closed(exc)

    def _over(self, connection: Connection, cause: BaseException | None, sock: Any) -> None:
        """Close asyncio's transport: the connection has ended."""
        self._host.over(connection)
        sockets.close(sock, connection.reset)
        self.connection = None


def _leave_with(exc: BaseException) -> None:
    raise exc


def adapt(factory: Callable[[], Any], *, limits: Limits | None = None) -> Callable[[], Adapter]:
    """Return a factory for `loop.create_server()`, `create_connection()` and their kin on Unix and under TLS.

    `factory()` makes a `Protocol` or `FramedProtocol`, which sees what it sees under a `Reactor`: callbacks, limits and
    ends. What asyncio returns as the protocol has ours as `protocol`. Exceptions of callbacks reach the loop's
    exception handler. Accepting and dialling are asyncio's, and so `max_connections`, `max_per_peer`, `when_full`,
    `first_message_timeout` and `connect_timeout` count for nothing here; `handshake_timeout` is of `start_tls()` alone.
    """
    check_door(factory, None, limits)
    bounds = limits or Limits()
    if isinstance(factory, type):  # now, for of what a server's factory raises asyncio tells nobody
        check_handlers(factory)

    def make() -> Adapter:
        protocol = factory()
        check_protocol(protocol, "the factory returned")
        return Adapter(protocol, bounds)

    return make
