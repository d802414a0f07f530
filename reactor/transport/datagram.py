"""DatagramEndpoint: one datagram socket and its protocol. The mechanism moves datagrams, and asks here at the edges.

Law: a datagram is sent whole, dropped whole and counted, or told of; what becomes of it ends nothing.
"""

from __future__ import annotations

import errno
from operator import attrgetter
from selectors import EVENT_WRITE
from typing import Any

from ..errors import ConnectionTimeout
from ..handlers import check_datagram_protocol
from ..loop import EventLoop, Timer
from ..protocol import DatagramProtocol
from . import multicast, sockets, udp
from .buffers import SEND_AT_ONCE
from .core import State
from .datagram_core import DatagramCore, OnEnd
from .limits import Limits, water_marks

_OF_MECHANISM = ("bytes_received", "bytes_sent", "datagrams_received", "datagrams_sent", "datagrams_dropped")
TRAFFIC = (*_OF_MECHANISM, "datagrams_missed")
_FIRST_HOLD, _LONGEST_HOLD = 0.001, 0.05  # seconds until another try, where nobody tells when there is room

_traffic_of = attrgetter(*_OF_MECHANISM)


class DatagramEndpoint(DatagramCore):
    """A datagram transport: asyncio's `DatagramTransport` methods, multicast, and bounds.

    `sendto(data, addr=None)` sends one datagram, whole or not at all; it leaves with the others of this turn. Never
    blocks. `addr`: the receiver, whose host must be numeric; None where the socket is connected. What can't be sent is
    told to `error_received`; what finds `max_write_buffer` full, or comes after `close()`, is dropped and counted.

    Of `Limits` count `max_write_buffer`, behind which datagrams are dropped, whatever `overflow` says; `high_water` and
    `low_water`; `write_timeout`, after which what waits is dropped; `close_timeout`; `connect_timeout`, for a name.
    What waits counts 128 bytes a datagram at least, since that is what it takes.

    Loop thread only: while the loop runs, what does anything raises RuntimeError on another thread. Asking is free.

    `on_end(endpoint, cause, socket)` is called once, after `connection_lost`, and is given the socket to close, None if
    there never was one; `made` then tells whether the protocol was ever told of the endpoint.
    """

    __slots__ = ()

    def __init__(self, loop: EventLoop, protocol: Any, limits: Limits, memory: memoryview, on_end: OnEnd) -> None:
        self._holding: Timer | None = None  # until what found no room is tried again
        self._hold = _FIRST_HOLD
        self._awaiting = False  # room
        super().__init__(loop, protocol, limits, memory, on_end)

    def open(self, sock: Any) -> None:
        super().open(sock)
        if self._watch is not None:
            self._watch.on_write = self._try_again

    def _stop(self) -> None:
        self._stop_holding()
        super()._stop()

    # --- what the mechanism asks

    def check_thread(self, name: str) -> None:
        """Raise RuntimeError if `name()` is called on another thread than the one that the loop runs on now."""
        self._loop.check_thread(name)

    def check_peer(self, addr: Any) -> None:
        """Refuse another receiver than the one that the socket is connected to."""
        peer = self._peer
        same = addr == peer or (isinstance(addr, tuple) and isinstance(peer, tuple) and addr[:2] == peer[:2])
        if self._sock is None or not same:
            to = "a name that is being looked up" if self._sock is None else repr(peer)
            raise ValueError(f"addr is {addr!r}, but the socket is connected to {to}: leave it out")

    def admit(self, size: int) -> bool:
        """Whether a datagram may wait that there is no room for at once."""
        cap = self._limits.max_write_buffer
        return cap is None or self._datagrams.waiting + size <= cap

    def much_waits(self) -> None:
        datagrams = self._datagrams
        if not datagrams.full and datagrams.waiting > min(SEND_AT_ONCE, self._high):
            datagrams.leave()
        if self.made and self._state is State.OPEN and not self._writing_paused and datagrams.waiting > self._high:
            self._writing_paused = True
            self._loop.counts["pauses_writing"] += 1
            self._tell()
            datagrams.defer()  # who is paused without need is told at the end of the turn
            self.call("pause_writing")

    def turn_ended(self) -> None:
        if self._writing_paused and self._datagrams.waiting <= self._low:
            self._writing_paused = False
            self._tell()
            if self._state is State.OPEN:
                self.call("resume_writing")

    def sent(self) -> None:
        """See what a send has left to wait for."""
        if self._sock is None or self._state is State.LOST:
            return
        if self._datagrams.full:
            self._await_room()
        elif self._awaiting:
            self._stop_awaiting()
        if self._state is State.CLOSING and not self._datagrams.waiting:
            self._lose(None)

    def _await_room(self) -> None:
        """Try again when there is room; where that is the receiver's affair, after a while."""
        self._awaiting = self._datagrams.alert = True
        if self._state is State.OPEN and (self._deadlines is None or "write_timeout" not in self._deadlines):
            self._await("write_timeout", self._limits.write_timeout)
        if self._holding is not None:
            return
        if None in self._datagrams.full and self._watch is not None:
            self._want(self._watch.mask | EVENT_WRITE)
        else:
            self._hold_off()

    def _try_again(self) -> None:
        """Send what waits. A socket that says it has room and takes nothing is asked later, or this would spin."""
        self._holding = None
        before = self._datagrams.waiting
        self._datagrams.retry()
        if self._datagrams.full and self._state is not State.LOST:
            if self._datagrams.waiting < before:
                self._went_on()
            elif self._holding is None:
                self._hold_off()
        self.turn_ended()

    def _went_on(self) -> None:
        """Begin anew to wait for room."""
        self._hold = _FIRST_HOLD
        wait = "close_timeout" if self._state is State.CLOSING else "write_timeout"
        self._await(wait, getattr(self._limits, wait))

    def _hold_off(self) -> None:
        if self._watch is not None:
            self._want(self._watch.mask & ~EVENT_WRITE)
        self._holding = self._loop.timer(self._try_again)
        self._holding.start(self._loop.time() + self._hold)
        self._hold = min(2 * self._hold, _LONGEST_HOLD)

    def _stop_holding(self) -> None:
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None

    def _stop_awaiting(self) -> None:
        self._awaiting = False
        if self._watch is not None:
            self._want(self._watch.mask & ~EVENT_WRITE)
        self._stop_holding()
        self._hold = _FIRST_HOLD
        self._stop_waiting("write_timeout")
        if self._state is not State.LOST:
            self._tell()

    def excuses(self, wait: str) -> bool:
        """Whether a wait isn't over: whatever comes in, nothing goes out."""
        return False

    def timed_out(self, wait: str, exc: ConnectionTimeout) -> None:
        """Let what waits go; a closing endpoint has nothing else to wait for."""
        self._loop.counts[f"timeouts_{wait.removesuffix('_timeout')}"] += 1
        if self._state is State.CLOSING:
            return self._lose(exc)
        self._datagrams.drop()
        self._datagrams.retry()
        self._note(exc)
        return self.turn_ended()

    def send_failed(self, exc: OSError, size: int, addr: Any) -> None:
        """Tell of a datagram that was refused."""
        if udp.is_gone(exc):
            return self._lose(exc)
        if size < 0 and self.nothing_came():
            return None
        what = f"datagram of {size} bytes" if size >= 0 else "an earlier datagram"
        return self._note(sockets.named(exc, f"{what} to {addr!r}"))

    def receive_failed(self, exc: OSError) -> None:
        """Tell what a read has met: something that was sent before was refused, as a rule."""
        if udp.is_gone(exc):
            return self._lose(exc)
        if self.nothing_came():
            return None
        self._loop.counts["datagram_errors"] += 1
        to = "" if self._peer is None else f" to {self._peer!r}"
        return self.call("error_received", sockets.named(exc, f"an earlier datagram{to}"))

    def nothing_came(self) -> bool:
        """Tell what the receivers of a socket that isn't connected have refused; return whether there was any."""
        refused = [] if self._peer is not None or self._sock is None else udp.take_errors(self._sock)
        for exc, addr in refused:
            self._note(sockets.named(exc, f"an earlier datagram to {addr!r}"))
        return bool(refused)

    def was_cut(self, size: int, addr: Any) -> None:
        """Tell of a datagram that is larger than what it was read into. Half of one is delivered to nobody."""
        self._loop.counts["datagrams_cut"] += 1
        text = f"datagram from {addr!r} is larger than {size} bytes, which is what is read at once: it is dropped"
        self.call("error_received", OSError(errno.EMSGSIZE, text))

    # --- facts and settings

    def set_protocol(self, protocol: Any) -> None:
        """Go on with another protocol: it gets every datagram from the next one on."""
        self._loop.check_thread("set_protocol")
        check_datagram_protocol(protocol, "set_protocol() was given")
        if isinstance(protocol, DatagramProtocol):
            protocol.transport = self
        self._protocol = protocol
        if self._state is not State.LOST:
            self._datagrams.protocol = protocol
            self._writing_paused = False
            self.much_waits()

    def get_protocol(self) -> Any:
        """Return the protocol that is called now."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return "socket", "sockname", and "peername" where the socket is connected."""
        if name == "peername" and self._peer is not None:
            return self._peer
        if self._extra is None and self._sock is not None:
            self._extra = sockets.facts(self._sock)
        return (self._extra or {}).get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the water marks in bytes, as asyncio does: `low` is a quarter of `high` if only that is given."""
        self._loop.check_thread("set_write_buffer_limits")
        self._high, self._low = water_marks(high, low, self._limits.high_water)
        self._tell()
        self.much_waits()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return `(low, high)`, in asyncio's order."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait to be sent; a datagram counts 128 at least."""
        return self._datagrams.waiting

    @property
    def datagrams_dropped(self) -> int:
        """How many datagrams found no room, waited too long, or came too late."""
        return self._datagrams.datagrams_dropped

    @property
    def datagrams_missed(self) -> int:
        """How many datagrams came while the kernel's queue was full, as far as the system tells: Linux does."""
        return 0 if self._sock is None else udp.missed(self._sock)

    def join_group(self, group: str, interface: str | int | None = None, *, source: str | None = None) -> None:
        """Receive what is sent to a multicast group, from `source` alone if one is given.

        `interface`: its name or index, or for IPv4 an address that it has; None for the system's choice.
        """
        self._loop.check_thread("join_group")
        multicast.join(self._sock, group, interface, source)

    def leave_group(self, group: str, interface: str | int | None = None, *, source: str | None = None) -> None:
        """Receive that no more; the arguments are those that it was joined with."""
        self._loop.check_thread("leave_group")
        multicast.leave(self._sock, group, interface, source)

    def set_multicast(
        self, ttl: int | None = None, loop: bool | None = None, interface: str | int | None = None
    ) -> None:
        """Set how datagrams to groups leave: over how many routers, back to this machine or not, by which interface."""
        self._loop.check_thread("set_multicast")
        multicast.set_options(self._sock, ttl, loop, interface)

    def traffic(self) -> tuple[int, ...]:
        """Return what `TRAFFIC` names, of this endpoint."""
        return (*_traffic_of(self._datagrams), self.datagrams_missed)

    def leave_traffic(self) -> None:
        """Add that to the loop's counts, which outlive this endpoint."""
        for name, count in zip(TRAFFIC, self.traffic(), strict=True):
            self._loop.counts[name] += count

    def mend(self) -> None:
        """Put in order what an exception out of nowhere has left between two lines. At any time, and twice."""
        if self._state is State.LOST:
            if self._on_end is not None:
                self._stop()
            return
        if self._sock is None:
            return
        if self._deadlines is not None:
            self._deadlines.mend()
        self._datagrams.defer_anew()
        self._tell()
        self._loop.call_soon(self.start)
        self._loop.call_soon(self._tell_errors)
        if self._datagrams.reading:
            self._loop.call_soon(self._datagrams.receive)  # which may have some in hand
        self._stop_holding()
        if self._datagrams.full:
            self._awaiting = True
            self._hold_off()
        if self._state is State.CLOSING:
            self._await("close_timeout", self._limits.close_timeout)
        elif self._cause is not None:
            self.close()

    def __repr__(self) -> str:
        at = "" if self._sock is None else f" at={self.get_extra_info('sockname')!r}"
        return f"<DatagramEndpoint {self._state.value}{at}" + (f" peer={self._peer!r}>" if self._peer else ">")
