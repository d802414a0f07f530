"""Channel: one end of the socket pair between a master and a worker. Law: a line a message, and its end is the other's.

Neither waits for the other: a message is far smaller than what a pair takes.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..framing import Framing
from ..loop import EventLoop

_LINES = Framing.delimited(b"\n")


class Channel:
    """Calls `on_message(dict)` for each line that comes, and `on_end()` once when the other end is gone."""

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        on_message: Callable[[dict[str, Any]], object],
        on_end: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._on_message = on_message
        self._on_end = on_end
        self._decoder = _LINES.decoder()
        loop.add_reader(sock, self.read)

    def say(self, **message: object) -> None:
        """Send a message; what the other one doesn't take is lost, and so is he."""
        with suppress(OSError):
            self._sock.sendall(_LINES.encode(json.dumps(message).encode()))

    def read(self) -> None:
        """Take what has come."""
        while self._sock.fileno() >= 0:
            try:
                data = self._sock.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                self._on_end()
            for line in self._decoder.feed(data):
                self._on_message(json.loads(line))

    def close(self) -> None:
        """Idempotent."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def abandon(self) -> None:
        """Close the copy that a child of fork() has."""
        self._sock.close()
