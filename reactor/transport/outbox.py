"""Outbox: the sending half of a connection. Law: every way of writing ends in `put`, every send in `_send`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from selectors import EVENT_WRITE
from socket import socket
from typing import Protocol as Interface

from ..errors import WriteBufferFull
from ..loop import EventLoop, Watch
from . import sockets
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


class Outbox:
    """Queues bytes and sends them once a turn, more often only when much waits. Knows no state: its owner does."""

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
        self.bytes_sent = 0

    def put(self, chunks: Iterable[bytes], size: int) -> None:
        """Queue chunks of `size` bytes together."""
        buffer = self.buffer
        buffer.extend(chunks, size)
        if not self._watch.mask & EVENT_WRITE:  # else the peer must take something first
            if buffer.size > min(_SEND_AT_ONCE, buffer.high):
                self._send()
            elif not self._flush_due:
                self._flush_due = True
                self._loop.defer_flush(self._flush)
        self.check_high()

    def check_high(self) -> None:
        """Tell the owner if the water has risen over the mark."""
        if not self._closed and self.buffer.crossed_high():
            self._owner.writing_paused()

    def has_room(self, size: int) -> bool:
        """Hold the hard cap: more than `max_write_buffer` bytes never wait. Raises WriteBufferFull if so agreed."""
        buffer, cap = self.buffer, self._limits.max_write_buffer
        if cap is None or buffer.size + size <= cap:
            return True
        if buffer.size and not self._watch.mask & EVENT_WRITE:
            self._send()
        if self._closed or buffer.size + size <= cap:
            return not self._closed
        full = WriteBufferFull(
            f"write of {size} bytes while {buffer.size} wait for the peer, max_write_buffer is {cap}"
        )
        if self._limits.overflow == "raise":
            raise full
        if self._limits.overflow == "abort":
            self._owner.sending_failed(full, reset=True)
        return False

    def _flush(self) -> None:
        """Send what this turn has queued."""
        self._flush_due = False
        if self.buffer.size and not self._watch.mask & EVENT_WRITE:
            self.send_ready()

    def send_ready(self) -> None:
        """Send, since the socket may have room, and let the owner write on."""
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
        if count:
            buffer.consume(count)
            self.bytes_sent += count
            self._deadlines.start("idle_timeout", self._limits.idle_timeout)
        if not buffer.size:
            self._watch.remove(EVENT_WRITE)
            self._deadlines.stop("write_timeout")
            return self._owner.all_sent()
        if count or not self._watch.mask & EVENT_WRITE:
            self._deadlines.start("write_timeout", self._limits.write_timeout)
        return self._watch.add(EVENT_WRITE)

    def close(self, send_last: bool) -> None:
        """Drop what waits; before that try once to send what this turn has queued, if `send_last`."""
        if send_last and self.buffer.size and not self._watch.mask & EVENT_WRITE:
            self._send_last()
        self._closed = True
        self.buffer.clear()

    def _send_last(self) -> None:
        """The answers to good messages before a bad one are worth one try."""
        with suppress(OSError):  # the connection is ending for another reason already
            self.bytes_sent += sockets.send(self._sock, self.buffer.next_chunks())
