"""Attached: a reactor whose turns an asyncio loop makes. Law: it polls nothing that asyncio has not found ready.

Between turns the reactor is nobody's: whatever is asked of it, a write of a protocol too, comes by `check_thread()`,
which rings. So a turn is made when a file is ready, a timer is due or somebody has asked for something, and never else.
"""

from __future__ import annotations

import asyncio
import math
from threading import get_ident
from typing import Any

from ..reactor import Reactor


class Attached:
    """A reactor inside a running asyncio loop, until `detach()`. A context manager, too."""

    def __init__(self, reactor: Reactor, loop: asyncio.AbstractEventLoop) -> None:
        self._reactor = reactor
        self._loop = loop
        self._thread = get_ident()
        self._due = False  # whether a turn is asked for
        self._timer: asyncio.TimerHandle | None = None
        self.wakes_at = math.inf  # by the reactor's clock, when the timer is due
        self._fd = self._selectors_fd()
        reactor.host = self
        reactor.be_nobodys()
        if self._fd >= 0:
            loop.add_reader(self._fd, self._turn)
        self.ring("attach")

    def _selectors_fd(self) -> int:
        """Return what asyncio watches: an epoll or a kqueue, which is ready when anything in it is."""
        selector: Any = self._reactor.selector
        try:
            return int(selector.fileno())
        except (AttributeError, OSError, ValueError):
            raise ValueError(
                f"{type(selector).__name__} can't be watched by asyncio: epoll or kqueue is needed"
            ) from None

    def ring(self, name: str) -> None:
        """Have a turn made soon. Raises RuntimeError on another thread than asyncio's loop runs on."""
        if self._fd >= 0 and self._loop.is_closed():  # a reactor with files of its own goes on without asyncio
            return self.detach()
        self.check_thread(name)
        if name == "run":
            raise RuntimeError("asyncio's loop makes the turns of this one: detach() it first")
        if not self._due and self._reactor.host is self:
            self._loop.call_soon(self._turn)
            self._due = True
        return None

    def check_thread(self, name: str) -> None:
        """Raise RuntimeError on another thread than asyncio's loop runs on."""
        if get_ident() != self._thread:
            raise RuntimeError(f"{name}() on another thread than the loop runs on: use call_soon_threadsafe()")

    def detach(self) -> None:
        """Leave asyncio's loop: the reactor can be run, attached again or closed. Idempotent."""
        if self._reactor.host is not self:
            return
        self._reactor.host = None
        self._reactor.be_ours()
        if self._timer is not None:
            self._timer.cancel()
        if self._fd >= 0 and not self._loop.is_closed():
            self._loop.remove_reader(self._fd)

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def _turn(self) -> None:
        """Make one turn, and see to the next one."""
        self._due = False
        reactor = self._reactor
        if reactor.host is not self:
            return
        try:
            reactor.be_ours()
            reactor.run_once(0)
        finally:
            if reactor.host is self:
                reactor.be_nobodys()
                self._see_to_next()

    def _see_to_next(self) -> None:
        waits = self._reactor.rest()
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self.wakes_at = None, math.inf
        if waits == 0 and not self._due:
            self._due = True
            self._loop.call_soon(self._loop.call_soon, self._turn)  # asyncio looks for what is ready in between
        elif waits:
            self._timer = self._loop.call_later(waits, self._turn)
            self.wakes_at = self._reactor.time() + waits


def attach(reactor: Reactor) -> Attached:
    """Run a reactor inside the asyncio loop that is running; `detach()` on what this returns ends that.

    Both sides may call each other on this thread. A `close()` of the reactor detaches it. Raises ValueError for a
    selector that asyncio can't watch, and RuntimeError where no loop is running or the reactor is.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(reactor, Reactor):
        raise TypeError(f"reactor is {reactor!r}, it must be a Reactor()")
    if reactor.host is not None or reactor.is_running():
        raise RuntimeError("the reactor runs already")
    return Attached(reactor, loop)
