"""Listener: takes new connections from one listening socket. Law: it hands over a socket and knows no Connection."""

from __future__ import annotations

import logging
import socket
from collections import defaultdict
from collections.abc import Callable
from selectors import EVENT_READ
from typing import Any

from ..loop import EventLoop, Timer
from ..loop.report import Repeats, say
from ..loop.watch import nothing_to_do
from . import _stream, sockets
from .address import format_address
from .unix import UnixPath

_BATCH = 16  # connections taken in one turn: a storm of them must not starve those that stand (redis#12178)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0  # seconds without accepting when it can't

_log = logging.getLogger(__name__)


class Listener:
    """Calls `on_accept(sock, peer)` for each new connection while it isn't parked. Owns the socket, and its path.

    When descriptors run out, `make_room()` may give some up and say so; else a reserve is given up for a moment so that
    those who wait are told at once, by a reset. Then, and after any other error, it holds off: longer each time, or
    until `descriptor_freed()`. `shared`: other processes may listen on the socket, too, and go on when this one closes.
    """

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        on_accept: Callable[[socket.socket, Any], object],
        path: UnixPath | None = None,
        make_room: Callable[[], bool] = lambda: False,
        shared: bool = False,
    ) -> None:
        self.address: Any = sock.getsockname()
        self.shed = 0  # connections that were reset for want of descriptors
        self._loop = loop
        self._sock = sock
        self._on_accept = on_accept
        self._path = path
        self._make_room = make_room
        self._shared = shared
        self._watch = loop.watch(sock, self._accept_ready, nothing_to_do)
        self._retry: Timer | None = None
        self._pause = _FIRST_PAUSE
        self._troubles: dict[int | None, Repeats] = defaultdict(Repeats)  # by errno
        self._batch = _BATCH  # how many to take: as came before, since asking for one more costs an exception
        self._parked = self._closed = False
        self._listen()
        self._machine = loop.machine
        self._take = _stream.taker_of(sock)
        self._reserve: int | None = self._machine.take_descriptor()

    def park(self) -> None:
        """Take nobody until `unpark()`: who connects waits in the kernel's queue."""
        self._parked = True
        self._watch.want(0)

    def unpark(self) -> None:
        self._parked = False
        self._listen()

    def descriptor_freed(self) -> None:
        """Try again at once if it holds off."""
        if self._retry is not None:
            self._retry.cancel()
            self._try_again()

    def close(self) -> None:
        """Stop at once. Idempotent."""
        if self._closed:
            return
        self.let_go()
        if self._path is not None:
            self._path.remove()  # while it listens: behind that another server may have put its own in that place
        sockets.close(self._sock, reset=False, shared=self._shared)

    def let_go(self) -> None:
        """Stop, and leave the socket and its path to somebody else."""
        self._closed = True
        self._watch.close()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._reserve is not None:
            self._machine.give_descriptor(self._reserve)
            self._reserve = None

    def mend(self) -> None:
        """Try again, whatever became of the last time."""
        if self._retry is not None:
            self._retry.cancel()
        self._try_again()

    def _listen(self) -> None:
        if not (self._parked or self._closed or self._retry):
            self._watch.want(EVENT_READ)

    def _accept_ready(self) -> None:
        if self._reserve is None:
            self._reserve = self._machine.take_descriptor()
        batch, self._batch = self._batch, min(2 * self._batch, _BATCH)
        for taken in range(batch):
            if self._parked or self._closed:
                return
            try:
                accepted = sockets.accept(self._sock, self._take)
            except OSError as exc:
                if self._has_room(exc):
                    continue
                return self._hold_off(exc)
            if accepted is None:
                self._batch = max(1, taken)
                return
            self._pause = _FIRST_PAUSE
            self._on_accept(*accepted)

    def _has_room(self, exc: OSError) -> bool:
        """Tell whether trying again at once makes sense; if it doesn't, tell those who wait."""
        if not isinstance(exc, sockets.OutOfDescriptors):
            return False
        if self._make_room():
            return True
        self._shed_load()
        return False

    def _shed_load(self) -> None:
        """Tell who waits that there is no place, with the descriptor kept for that."""
        if self._reserve is None:
            return
        self._machine.give_descriptor(self._reserve)
        for _ in range(_BATCH):
            if not sockets.refuse(self._sock, self._take):
                break
            self.shed += 1
            self._loop.counts["shed"] += 1
        self._reserve = self._machine.take_descriptor()

    def _hold_off(self, exc: OSError) -> None:
        """Wait: a listening socket stays readable, so going on would spin."""
        self._watch.want(0)
        self._retry = self._loop.call_later(self._pause, self._try_again)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        if more := self._troubles[exc.errno].note(self._loop.time()):
            times = "" if more == 1 else f", {more} times by now"
            text = "%s accepts nobody for now: %s%s"
            say(_log, logging.ERROR, text, format_address(self.address), exc.strerror or exc, times)

    def _try_again(self) -> None:
        self._retry = None
        self._listen()
