"""Waker: a doorbell for a loop that sleeps in its selector. Law: it carries no message; that is left elsewhere."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

_MOST_RINGS = 4096  # bytes taken at once


class Waker:
    """Wake the selector from any thread, and from a signal handler. Rings before the next `drain()` cost one byte."""

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair()
        self._inside.setblocking(False)
        self._outside.setblocking(False)
        self.rung = False  # since the last drain()
        self.rings = 0
        self.pass_on: Callable[[bytes], object] | None = None  # what is told of the rings, while somebody wants to be

    def fileno(self) -> int:
        """The end that the selector watches."""
        return self._inside.fileno()

    def signal_fd(self) -> int:
        """The end for `signal.set_wakeup_fd`."""
        return self._outside.fileno()

    def wake(self) -> None:
        """Make the selector return. Any thread; takes no lock, so a signal handler may call it."""
        if self.rung:
            return
        self.rung = True
        self.rings += 1
        try:
            self._outside.send(b"\0")
        except BlockingIOError:
            pass  # full of rings, so the selector wakes
        except OSError:  # nobody was woken: swallowing that would be a hang
            self.rung = False
            raise

    def drain(self) -> None:
        """Take the rings. Whoever rings after this rings again, so look for what they left only after it.

        A signal handler may raise anywhere in here: then the next ring is sent all the same.
        """
        self.rung = False
        with suppress(BlockingIOError):
            while rings := self._inside.recv(_MOST_RINGS):
                if self.pass_on is not None:
                    self.pass_on(rings)
                if len(rings) < _MOST_RINGS:
                    break
        self.rung = False

    def abandon(self) -> None:
        """Close, in a child of fork(): what is rung here from now on would wake the parent."""
        self.rung = True
        self.pass_on = None
        self.close()

    def close(self) -> None:
        self._inside.close()
        self._outside.close()
