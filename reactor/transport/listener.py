"""Listener: takes new connections from one listening socket. Law: it hands over a socket and knows no Connection."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from selectors import EVENT_READ
from typing import Any

from ..loop import EventLoop, Timer
from ..loop.watch import nothing_to_do
from . import sockets
from .address import format_address

_BATCH = 16  # connections taken in one turn: a storm of them must not starve those that stand (redis#12178)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0  # seconds without accepting when descriptors ran out

_log = logging.getLogger(__name__)


class Listener:
    """Calls `on_accept(sock, peer)` for each new connection while it isn't paused. Owns the listening socket."""

    def __init__(self, loop: EventLoop, sock: socket.socket, on_accept: Callable[[socket.socket, Any], object]) -> None:
        self._loop = loop
        self._sock = sock
        self._on_accept = on_accept
        self._watch = loop.watch(sock, self._accept_ready, nothing_to_do)
        self._retry: Timer | None = None
        self._pause = _FIRST_PAUSE
        self._parked = self._closed = False
        self.address: Any = sock.getsockname()
        self._listen()

    def park(self) -> None:
        """Take nobody until `unpark()`: who connects waits in the kernel's queue."""
        self._parked = True
        self._watch.want(0)

    def unpark(self) -> None:
        self._parked = False
        self._listen()

    def close(self) -> None:
        """Stop at once. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._watch.want(0)
        if self._retry is not None:
            self._retry.cancel()
        sockets.close(self._sock, reset=False)

    def _listen(self) -> None:
        if not (self._parked or self._closed or self._retry):
            self._watch.want(EVENT_READ)

    def _accept_ready(self) -> None:
        for _ in range(_BATCH):
            if self._parked or self._closed:
                return
            try:
                accepted = sockets.accept(self._sock)
            except sockets.OutOfDescriptors as exc:
                return self._hold_off(exc)
            if accepted is None:
                return
            self._pause = _FIRST_PAUSE
            self._on_accept(*accepted)

    def _hold_off(self, exc: OSError) -> None:
        """Wait, longer each time: a listening socket stays readable, so going on would spin."""
        if self._pause == _FIRST_PAUSE:
            _log.error("%s accepts nobody for now: %s", format_address(self.address), exc.strerror)
        self._watch.want(0)
        self._retry = self._loop.call_later(self._pause, self._try_again)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _try_again(self) -> None:
        self._retry = None
        self._listen()
