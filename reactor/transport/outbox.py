"""Outbox: the sending half of a connection. Law: what a pump doesn't queue or send itself ends in `put` and `_send`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from selectors import EVENT_WRITE
from socket import socket
from typing import Protocol as Interface

from ..errors import WriteBufferFull
from ..loop import EventLoop, Watch
from . import sockets
from ._pump import Pump
from .buffers import WriteBuffer
from .deadlines import Deadlines
from .limits import Limits

_SEND_AT_ONCE = 64 * 1024  # more than this doesn't wait for the end of the turn


class Owner(Interface):
    """Who is told what becomes of the outbox. Each call may end the connection."""

    def sending_failed(self, exc: Exception, reset: bool) -> None: ...
    def all_sent(self) -> None: ...
    def writing_paused(self) -> None: ...
    def writing_resumed(self) -> None: ...
    def is_open(self) -> bool: ...
    def may_queue(self) -> bool: ...
    def enqueue(self, chunks: Iterable[bytes], size: int) -> None: ...


class Outbox:
    """Queues bytes and sends them once a turn, more often only when much waits. Knows no state: its owner does."""

    __slots__ = (
        "_bytes_sent",
        "_closed",
        "_deadlines",
        "_flush_due",
        "_limits",
        "_loop",
        "_owner",
        "_sock",
        "_watch",
        "buffer",
        "pump",
    )

    def __init__(
        self, loop: EventLoop, sock: socket, watch: Watch, limits: Limits, deadlines: Deadlines, owner: Owner
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._watch = watch
        self._limits = limits
        self._deadlines = deadlines
        self._owner = owner
        self._flush_due = self._closed = False
        self.buffer = WriteBuffer(limits.high_water, limits.low_water)
        self.pump: Pump | None = None
        self._bytes_sent = 0

    def put(self, chunks: Iterable[bytes], size: int) -> None:
        """Queue chunks of `size` bytes together."""
        self.absorb()
        buffer = self.buffer
        buffer.extend(chunks, size)
        if not self._watch.mask & EVENT_WRITE:  # else the peer must take something first
            if buffer.size > min(_SEND_AT_ONCE, buffer.high):
                self._send()
            self._defer_flush()
        self.set_sending()
        self.check_high()

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self.buffer.size + self.buffer.held + (0 if self.pump is None else self.pump.waiting)

    @property
    def bytes_sent(self) -> int:
        return self._bytes_sent + (0 if self.pump is None else self.pump.bytes_sent)

    # --- the pump: it queues and sends while nothing waits here, and nothing is out of the ordinary

    def use(self, pump: Pump) -> None:
        """Go on with a pump."""
        self.pump = pump
        self.set_room()
        self.set_sending()

    def set_sending(self) -> None:
        """Let the pump queue if what it sends would be the next to leave."""
        if self.pump is not None:
            self.pump.sending = not self.buffer.size and self._owner.may_queue()

    def set_room(self) -> None:
        """Let as much wait in the pump as may wait for the end of the turn."""
        if self.pump is not None:
            cap = self._limits.max_write_buffer
            self.pump.room = min(_SEND_AT_ONCE, self.buffer.high, _SEND_AT_ONCE if cap is None else cap)

    def absorb(self) -> None:
        """Take over what the pump has queued."""
        if self.pump is not None and self.pump.waiting:
            size = self.pump.waiting
            self.buffer.extend(self.pump.take_out(), size)
            self.set_sending()  # what the pump would queue from now on, it would send before this
            self._defer_flush()

    def _defer_flush(self) -> None:
        """See to it that this turn's bytes leave, and that who is paused without need is told."""
        if not self._flush_due and not self._closed and (self.buffer.size or self.buffer.paused):
            self._flush_due = True
            self._loop.defer_flush(self.flush)

    def hand_over(self) -> None:
        """Go on without the pump."""
        self.absorb()
        self._bytes_sent = self.bytes_sent
        if self.pump is not None:
            self.pump.reading = self.pump.sending = False
            self.pump = None

    def write(self, chunks: Iterable[bytes], size: int) -> None:
        self._owner.enqueue(chunks, size)

    def sent_short(self, count: int, code: int) -> None:
        """Take over a send of the pump's that left something, or failed with the errno `code`."""
        self.absorb()
        error = sockets.meaning(code) if count < 0 else None
        if error is not None:
            return self._owner.sending_failed(error, reset=False)
        return self._sent(max(count, 0))

    def touch(self) -> None:
        """Note that bytes went."""
        self._deadlines.start("idle_timeout", self._limits.idle_timeout)

    # --- waiting and sending

    def set_marks(self, high: int | None, low: int | None) -> None:
        """Move the water marks, and the water with them."""
        self.absorb()
        self.buffer.set_marks(high, low, self._limits.high_water)
        self.set_room()
        self.check_high()

    def check_high(self) -> None:
        """Tell the owner if the water has risen over the mark."""
        if self._owner.is_open() and self.buffer.crossed_high():
            self._owner.writing_paused()

    def has_room(self, size: int) -> bool:
        """Hold the hard cap: more than `max_write_buffer` bytes never wait. Raises WriteBufferFull if so agreed."""
        self.absorb()
        buffer, cap = self.buffer, self._limits.max_write_buffer
        if cap is None or buffer.size + buffer.held + size <= cap:
            return True
        if buffer.size and not self._watch.mask & EVENT_WRITE:
            self._send()
        if self._closed or buffer.size + buffer.held + size <= cap:
            return not self._closed
        full = WriteBufferFull(
            f"write of {size} bytes while {buffer.size + buffer.held} wait for the peer, max_write_buffer is {cap}"
        )
        if self._limits.overflow == "raise":
            raise full
        if self._limits.overflow == "abort":
            self._owner.sending_failed(full, reset=True)
        return False

    def flush(self) -> None:
        """Send what this turn has queued."""
        self.absorb()
        self._flush_due = False
        if not self._watch.mask & EVENT_WRITE:
            self.send_ready()

    def send_ready(self) -> None:
        """Send, since the socket may have room, and let the owner write on."""
        if self.buffer.size:
            self._send()
        if not self._closed and self.buffer.crossed_low():
            self._owner.writing_resumed()

    def _send(self) -> None:
        """Send once, and see what that leaves to wait for."""
        buffer = self.buffer
        try:
            count = sockets.send(self._sock, buffer.next_chunks())
        except OSError as exc:
            return self._owner.sending_failed(exc, reset=False)
        return self._sent(count)

    def _sent(self, count: int) -> None:
        buffer = self.buffer
        if count:
            buffer.consume(count)
            self._bytes_sent += count
            self.touch()
        self.set_sending()
        if not buffer.size:
            self._watch.remove(EVENT_WRITE)
            self._deadlines.stop("write_timeout")
            return self._owner.all_sent()
        if count or not self._watch.mask & EVENT_WRITE:
            self._deadlines.start("write_timeout", self._limits.write_timeout)
        self._watch.on_write = self.send_ready
        return self._watch.add(EVENT_WRITE)

    def close(self, send_last: bool) -> None:
        """Drop what waits; before that try once to send what this turn has queued, if `send_last`."""
        self.absorb()
        self._closed = True
        if send_last and self.buffer.size and not self._watch.mask & EVENT_WRITE:
            self.send_last(*self.buffer.next_chunks())
        self.buffer.clear()

    def send_last(self, *chunks: bytes | memoryview) -> None:
        """Try once: the answers to good messages before a bad one are worth that, and so is a farewell."""
        with suppress(OSError):  # the connection is ending for another reason already
            self._bytes_sent += sockets.send(self._sock, chunks)
