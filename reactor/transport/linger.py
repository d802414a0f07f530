"""Linger: closes a socket so that its last bytes arrive. Law: its connection is over; nobody is told anything.

Closing a socket that still has unread bytes, or gets more, makes the kernel send a reset, and the peer may then lose
what it hasn't read yet (RFC 1122, 4.2.2.13; nginx: lingering_close). So our side is ended first, and what comes is read
and dropped for a short time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from selectors import EVENT_READ
from socket import socket
from typing import Any

from ..loop import EventLoop
from ..loop.watch import nothing_to_do
from . import sockets

_LONGEST = 2.0  # seconds: some round trips
_UNTOLD = 0.5  # seconds for a loop that ends, where the system doesn't tell what has arrived
_MOST = 1 << 20  # bytes: who sends more isn't listening
_MOST_LINGERS = 1024  # in one loop; each costs a descriptor
_SHORTEST_LOOK, _LONGEST_LOOK = 0.001, 0.05  # seconds between two looks at what has arrived


class Linger:
    """Owns the socket; closes it at the peer's end, after 2 seconds, or after 1 MiB, then calls `on_closed(self)`."""

    def __init__(
        self, loop: EventLoop, sock: socket, memory: memoryview, on_closed: Callable[[Linger], object]
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._memory = memory
        self._on_closed = on_closed
        self._dropped = 0
        self._closed = False
        self._watch = loop.watch(sock, self._read_ready, nothing_to_do)
        self._timer = loop.timer(self.give_up)

    def start(self) -> None:
        """End our side, and wait. Raises what the selector does that has no room for it."""
        self._watch.want(EVENT_READ)
        self._timer.start(self._loop.time() + _LONGEST)
        sockets.end_writing(self._sock)

    def give_up(self) -> None:
        """Close before the peer's end; what has come until now is dropped first, or closing would be a reset."""
        self._drop()
        self.close()

    def close(self) -> None:
        """Close. Idempotent."""
        if not self._closed:
            self.drop()
            self._on_closed(self)

    def drop(self) -> None:
        """Close, and tell nobody."""
        self._closed = True
        self._watch.close()
        self._timer.cancel()
        sockets.close(self._sock, reset=False)

    def has_arrived(self) -> bool:
        """Drop what has come; tell whether the peer's system has all that was sent, or can't be reached any more."""
        self._drop()
        return self._closed or sockets.has_arrived(self._sock)

    def _drop(self) -> None:
        while not self._closed and self._read_ready():
            pass

    def _read_ready(self) -> bool:
        """Read and drop once; close at the end of it. Tell whether there was something."""
        try:
            count = sockets.receive(self._sock, self._memory)
        except OSError:
            count = 0
        if count is None:
            return False
        self._dropped += count
        if count == 0 or self._dropped > _MOST:
            self.close()
        return True


class Lingers:
    """Those of one loop, the oldest first, each with its owner. `on_closed(linger, owner)` when one is closed."""

    def __init__(self, loop: EventLoop, memory: memoryview, on_closed: Callable[[Linger, Any], object]) -> None:
        self._loop = loop
        self._memory = memory
        self._on_closed = on_closed
        self._owners: dict[Linger, Any] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def add(self, sock: socket, owner: object) -> Linger | None:
        """Let a socket linger; where too many do, the oldest gives way. None: it can't, and is closed."""
        if len(self._owners) >= _MOST_LINGERS:
            self.give_up_oldest()
        linger = Linger(self._loop, sock, self._memory, self._closed)
        try:
            linger.start()
        except (OSError, ValueError, KeyError):  # the selector has no room for it
            linger.drop()
            return None
        except BaseException:  # out of nowhere
            linger.drop()
            raise
        self._owners[linger] = owner
        return linger

    def give_up_oldest(self) -> bool:
        """Close the one that had the longest time; tell whether there was one."""
        for linger in self._owners:
            linger.give_up()
            return True
        return False

    def close_when_arrived(self) -> None:
        """Close all as soon as their bytes have arrived; blocks for that, mostly for a round trip, 2 seconds at most.

        Where nobody tells that they have, it is for the peers' ends, and half a second: the system sends on behind it.
        For the end of a loop, which can't wait for the peers' ends any more. What has arrived is the peer's: on Linux
        a reset costs it nothing then, and elsewhere none is sent unless the peer goes on sending.
        """
        waiting, pause = list(self._owners), _SHORTEST_LOOK
        deadline = time.monotonic() + (_LONGEST if sockets.tells_arrival() else _UNTOLD)
        try:
            while (waiting := [each for each in waiting if not each.has_arrived()]) and time.monotonic() < deadline:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_LOOK)
        finally:
            for linger in list(self._owners):
                linger.give_up()

    def abandon(self) -> None:
        """Let go of all, in a child of fork()."""
        owners, self._owners = self._owners, {}
        for linger in owners:
            linger.drop()

    def _closed(self, linger: Linger) -> None:
        self._on_closed(linger, self._owners.pop(linger))
