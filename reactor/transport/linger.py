"""Linger: closes a socket so that its last bytes arrive. Law: its connection is over; nobody is told anything.

Closing a socket that still has unread bytes, or gets more, makes the kernel send a reset, and the peer may then lose
what it hasn't read yet (RFC 1122, 4.2.2.13; nginx: lingering_close). So our side is ended first, and what comes is read
and dropped for a short time.
"""

from __future__ import annotations

from collections.abc import Callable
from selectors import EVENT_READ
from socket import socket

from ..loop import EventLoop
from ..loop.watch import nothing_to_do
from . import sockets

_LONGEST = 2.0  # seconds: some round trips
_MOST = 1 << 20  # bytes: who sends more isn't listening


class Linger:
    """Owns the socket; closes it at the peer's end, after 2 seconds, or after 1 MiB, then calls `on_closed(self)`."""

    def __init__(
        self, loop: EventLoop, sock: socket, memory: memoryview, on_closed: Callable[[Linger], object]
    ) -> None:
        self._sock = sock
        self._memory = memory
        self._on_closed = on_closed
        self._dropped = 0
        self._watch = loop.watch(sock, self._read_ready, nothing_to_do)
        self._timer = loop.call_later(_LONGEST, self.close)
        sockets.end_writing(sock)
        self._watch.want(EVENT_READ)

    def close(self) -> None:
        self._watch.close()
        self._timer.cancel()
        sockets.close(self._sock, reset=False)
        self._on_closed(self)

    def _read_ready(self) -> None:
        try:
            count = sockets.receive(self._sock, self._memory)
        except OSError:
            count = 0
        if count is not None:
            self._dropped += count
            if count == 0 or self._dropped > _MOST:
                self.close()
