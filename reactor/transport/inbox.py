"""Inbox: the receiving half of a connection. Law: bytes reach the protocol in order, and only while it reads."""

from __future__ import annotations

from collections.abc import Callable
from selectors import EVENT_READ
from socket import socket
from typing import Any
from typing import Protocol as Interface

from ..errors import FramingError
from ..loop import EventLoop, Watch
from . import sockets
from ._pump import Pump
from .deadlines import Deadlines
from .delivery import Delivery
from .limits import Limits
from .session import Session
from .tls import behind_the_switch


class Owner(Interface):
    """Who is told what came. Each call may end the connection, pause it, or give it another protocol."""

    def is_open(self) -> bool: ...
    def call(self, callback: Callable[..., object], *args: Any) -> object: ...
    def callback_raised(self, exc: BaseException) -> None: ...
    def receiving_failed(self, exc: Exception) -> None: ...
    def peer_ended(self) -> None: ...


class Inbox:
    """Reads once a turn and delivers. `memory`: where reads go first, shared by all connections of a loop."""

    __slots__ = (
        "_bounded_at",
        "_bytes_received",
        "_deadlines",
        "_end_due",
        "_limits",
        "_loop",
        "_owner",
        "_rest",
        "_resume_due",
        "_sock",
        "_watch",
        "delivery",
        "ended",
        "memory",
        "paused",
        "pump",
        "tls",
    )

    def __init__(
        self,
        loop: EventLoop,
        sock: socket,
        watch: Watch,
        limits: Limits,
        deadlines: Deadlines,
        memory: memoryview,
        delivery: Delivery,
        owner: Owner,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._watch = watch
        self._limits = limits
        self._deadlines = deadlines
        self.memory = memory
        self.delivery = delivery
        self._owner = owner
        self._rest = b""  # bytes that no protocol has been given: an earlier one's, or what came while paused
        self._resume_due = False
        self._end_due = False  # the stream has ended, behind bytes that are not delivered yet
        self._bounded_at = -1  # the offset of the frame, or of the piece of it, that frame_timeout runs for
        self.tls: Session | None = None
        self.paused = False  # by the protocol
        self.ended = False  # by the peer
        self.pump: Pump | None = None
        self._bytes_received = 0
        watch.on_read = self.read_ready

    # --- interest

    def pause(self) -> None:
        self.paused = True
        self._deadlines.stop("frame_timeout")  # it is not the peer who is slow now
        self.set_interest()

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self.after_delivery()  # never delivers: it sees to it that a later callback does

    def is_reading(self) -> bool:
        return self._owner.is_open() and not (self.paused or self._shaking_hands())

    def _shaking_hands(self) -> bool:
        return self.tls is not None and self.tls.shaking_hands

    def set_interest(self) -> None:
        """Watch the socket while there is somebody to deliver to; a TLS handshake always goes on."""
        self.set_reading()
        reading = self._shaking_hands() or (self.is_reading() and not self._has_left())
        if reading and not self.ended:
            self._watch.add(EVENT_READ)
        else:
            self._watch.remove(EVENT_READ)

    def set_reading(self) -> None:
        """Let the pump deliver while the protocol reads."""
        if self.pump is not None:
            self.pump.reading = self.is_reading()

    def is_quiet(self) -> bool:
        """Tell whether no message is half received, and none waits to be delivered."""
        return not (self._has_left() or self.delivery.in_frame)

    def _has_left(self) -> bool:
        return bool(self._rest) or self.delivery.left > 0

    # --- reading

    def read_ready(self) -> None:
        delivery = self.delivery
        own = delivery.own_buffer() if self.tls is None else None
        buffer = self.memory if own is None else own
        try:
            count = sockets.receive(self._sock, buffer)
        except OSError as exc:
            return self._owner.receiving_failed(exc)
        if count is None:
            return None
        if count == 0:
            return self._socket_ended()
        self._bytes_received += count
        self.touch()
        if own is not None:
            return self._deliver(delivery.filled, count)
        if self.tls is not None:
            return self.take_plain(self.tls.received(buffer[:count]))
        return self._deliver(delivery.put, buffer[:count])

    # --- what the pump hands over

    def use(self, pump: Pump | None) -> None:
        """Let a pump read, or go on without."""
        self._bytes_received = self.bytes_received
        self.pump = pump
        self._watch.on_read = self.read_ready if pump is None else pump.receive

    def read_nothing(self, count: int, code: int) -> None:
        """See what a read without bytes means: the end if `count` is 0, else `code` is its errno."""
        if count == 0:
            return self._socket_ended()
        error = sockets.meaning(code)
        return None if error is None else self._owner.receiving_failed(error)

    def touch(self) -> None:
        """Note that bytes came."""
        self._deadlines.start("idle_timeout", self._limits.idle_timeout)

    def delivery_raised(self, exc: BaseException) -> None:
        """Take what came out of the protocol."""
        try:
            self._owner.callback_raised(exc)
        finally:
            self.after_delivery()

    @property
    def bytes_received(self) -> int:
        return self._bytes_received + (0 if self.pump is None else self.pump.bytes_received)

    def take_plain(self, data: bytes) -> None:
        """Deliver what came out of TLS: what was read can't be left in the socket any more."""
        tls = self.tls
        assert tls is not None
        if data:
            self._rest += data
            self._deliver_rest()
        if tls.error is not None:
            self._owner.receiving_failed(tls.error)
        elif tls.peer_ended and not self.ended:
            self._stream_ended()

    def _deliver(self, callback: Callable[..., object], *args: Any) -> None:
        try:
            self._owner.call(callback, *args)
        finally:  # a KeyboardInterrupt goes through here, and leaves a connection that works
            self.after_delivery()

    def after_delivery(self) -> None:
        """Look at what the protocol has made of it."""
        if not self._owner.is_open():
            return
        if self.delivery.error is not None:
            return self._owner.receiving_failed(self.delivery.error)
        if self._shaking_hands() and self.delivery.held_bytes:
            return self._owner.receiving_failed(behind_the_switch(self.delivery.held_bytes))
        if not (self._has_left() or self._end_due):
            self._bound_frame()
        elif not (self.paused or self._resume_due):
            self._resume_due = True
            self._loop.call_soon(self._go_on)
        return self.set_interest()

    def _bound_frame(self) -> None:
        """Bound the time that a frame takes; for one that is streamed or discarded, the time between its pieces."""
        if not self.delivery.in_frame:
            return self._deadlines.stop("frame_timeout")
        offset = self.delivery.frame_offset
        if not self.paused and (offset != self._bounded_at or "frame_timeout" not in self._deadlines):
            self._bounded_at = offset
            self._deadlines.start("frame_timeout", self._limits.frame_timeout)
        return None

    def _go_on(self) -> None:
        """Deliver what was left, then the end if that has come, too."""
        self._resume_due = False
        if not self.is_reading():
            return
        if self.delivery.left:
            self._deliver(self.delivery.resume)
        elif self._rest:
            self._deliver_rest()
        elif self._end_due:
            self._tell_end()
        else:
            self.set_interest()  # what was left was delivered meanwhile

    def _deliver_rest(self) -> None:
        if self.is_reading() and not self.delivery.left:
            rest, self._rest = self._rest, b""
            self._deliver(self.delivery.put, memoryview(rest))
        else:
            self.set_interest()

    # --- the end

    def _socket_ended(self) -> None:
        if self.tls is not None and not self.tls.peer_ended:
            return self._owner.receiving_failed(self.tls.truncated())
        return self._stream_ended()

    def _stream_ended(self) -> None:
        self.ended = True
        self.set_interest()
        self._end_due = True
        if self.is_reading() and not self._has_left():
            self._tell_end()

    def _tell_end(self) -> None:
        self._end_due = False
        self._deadlines.stop("frame_timeout")
        try:
            self.delivery.eof()
        except FramingError as exc:
            return self._owner.receiving_failed(exc)
        return self._owner.peer_ended()

    # --- another protocol

    def hand_over(self, delivery: Delivery) -> None:
        """Go on with another delivery; it gets every byte that the present one was not given."""
        self._rest = self.delivery.take_rest() + self._rest
        self.use(None)
        self.delivery = delivery
        self._bounded_at = -1  # offsets are the new decoder's from now on

    def take_unread(self) -> bytes:
        """Give up what is not delivered: it wasn't for the protocol."""
        rest, self._rest = self._rest, b""
        self._deadlines.stop("frame_timeout")
        return rest
