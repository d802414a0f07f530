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
from .deadlines import Deadlines
from .delivery import Delivery
from .limits import Limits
from .tls import TLSFilter


class Owner(Interface):
    """Who is told what came. Each call may end the connection, pause it, or give it another protocol."""

    def is_open(self) -> bool: ...
    def call(self, callback: Callable[..., object], *args: Any) -> object: ...
    def receiving_failed(self, exc: Exception) -> None: ...
    def peer_ended(self) -> None: ...
    def tls_received(self, data: memoryview) -> bytes: ...


class Inbox:
    """Reads once a turn and delivers. `memory`: where reads go first, shared by all connections of a loop."""

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
        self._memory = memory
        self._delivery = delivery
        self._owner = owner
        self._rest = b""  # bytes that no protocol has been given: an earlier one's, or what came while paused
        self._resume_due = False
        self._end_due = False  # the stream has ended, behind bytes that are not delivered yet
        self.tls: TLSFilter | None = None
        self.paused = False  # by the protocol
        self.ended = False  # by the peer
        self.bytes_received = 0

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
        return self._owner.is_open() and not self.paused

    def set_interest(self) -> None:
        """Watch the socket while there is somebody to deliver to; a TLS handshake always goes on."""
        shaking_hands = self.tls is not None and not self.tls.secured
        reading = shaking_hands or (self.is_reading() and not self._has_left())
        if reading and not self.ended:
            self._watch.add(EVENT_READ)
        else:
            self._watch.remove(EVENT_READ)

    def is_quiet(self) -> bool:
        """Tell whether no message is half received, and none waits to be delivered."""
        return not (self._has_left() or self._delivery.in_frame)

    def _has_left(self) -> bool:
        return bool(self._rest) or self._delivery.left > 0

    # --- reading

    def read_ready(self) -> None:
        delivery = self._delivery
        own = delivery.own_buffer() if self.tls is None else None
        buffer = self._memory if own is None else own
        try:
            count = sockets.receive(self._sock, buffer)
        except OSError as exc:
            return self._owner.receiving_failed(exc)
        if count is None:
            return None
        if count == 0:
            return self._socket_ended()
        self.bytes_received += count
        self._deadlines.start("idle_timeout", self._limits.idle_timeout)
        if own is not None:
            return self._deliver(delivery.filled, count)
        if self.tls is not None:
            return self.take_plain(self._owner.tls_received(buffer[:count]))
        return self._deliver(delivery.put, buffer[:count])

    def take_plain(self, data: bytes) -> None:
        """Deliver what came out of TLS: what was read can't be left in the socket any more."""
        assert self.tls is not None
        if data:
            self._rest += data
            self._deliver_rest()
        if self.tls.peer_ended and not self.ended:
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
        if self._delivery.error is not None:
            return self._owner.receiving_failed(self._delivery.error)
        if not (self._has_left() or self._end_due):
            self._bound_frame()
        elif not (self.paused or self._resume_due):
            self._resume_due = True
            self._loop.call_soon(self._go_on)
        return self.set_interest()

    def _bound_frame(self) -> None:
        """Bound the time that a frame takes; for one that is streamed or discarded, the time between its pieces."""
        delivery = self._delivery
        if not delivery.in_frame:
            self._deadlines.stop("frame_timeout")
        elif not self.paused and ("frame_timeout" not in self._deadlines or not delivery.holds_frame):
            self._deadlines.start("frame_timeout", self._limits.frame_timeout)

    def _go_on(self) -> None:
        """Deliver what was left, then the end if that has come, too."""
        self._resume_due = False
        if not self.is_reading():
            return
        if self._delivery.left:
            self._deliver(self._delivery.resume)
        elif self._rest:
            self._deliver_rest()
        elif self._end_due:
            self._tell_end()

    def _deliver_rest(self) -> None:
        if self.is_reading() and not self._delivery.left:
            rest, self._rest = self._rest, b""
            self._deliver(self._delivery.put, memoryview(rest))
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
            self._delivery.eof()
        except FramingError as exc:
            return self._owner.receiving_failed(exc)
        return self._owner.peer_ended()

    # --- another protocol

    def hand_over(self, delivery: Delivery) -> None:
        """Go on with another delivery; it gets every byte that the present one was not given."""
        self._rest = self._delivery.take_rest() + self._rest
        self._delivery = delivery

    def take_unread(self) -> bytes:
        """Give up what is not delivered: it wasn't for the protocol."""
        rest, self._rest = self._rest, b""
        return rest
