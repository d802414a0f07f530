"""The thread that a loop belongs to. Law: while it runs, nobody else is served, and who asks is told so at once.

Another thread's call would be taken for one of the loop's own: it would wait for the next event, or fall between two
lines of a turn. What is called all the time compares two numbers where it looked whether the loop is open, and asks
here when they differ; so a call that nothing is wrong with costs what it did.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable
from threading import get_ident
from typing import Protocol

from .turn import Turn


class Host(Protocol):
    """Another loop, which makes the turns of this one."""

    def ring(self, name: str) -> object:
        """Make one soon: `name()` was called outside of one. Raises RuntimeError on the wrong thread."""

    def detach(self) -> None:
        """Make none any more."""


class Owned(Turn):
    """A turn with an owner: the thread that runs the loop, or has run it last, or has made it.

    `runs_on[0]` is that thread too, for streams to compare: a list, since a memoryview is dear to Python, a slot to C.
    """

    __slots__ = ("_abandoned", "_closed", "_in_turn", "_owner", "_running", "host", "runs_on")

    def __init__(self, selector: selectors.BaseSelector, clock: Callable[[], float]) -> None:
        super().__init__(selector, clock)
        self._owner: int | None = get_ident()  # None once the loop is closed, so that one comparison tells both
        self.runs_on = [get_ident()]
        self._running = self._in_turn = self._closed = self._abandoned = False
        self.host: Host | None = None  # while another loop makes the turns

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self._told())}>"

    def _told(self) -> list[str]:
        """Return what a person wants to know of it; from any thread."""
        if self._closed:
            return ["closed"]
        files = len(self._selector.get_map() or ()) - 1  # but the bell
        return ["running" if self._running else "idle", f"files={files}", f"timers={len(self._timers)}"]

    def is_closed(self) -> bool:
        return self._closed

    def is_running(self) -> bool:
        return self._running

    def check_thread(self, name: str) -> None:
        """Raise RuntimeError if `name()` is called on another thread than the one that the loop runs on now."""
        if self.host is not None and not self._in_turn:
            self.host.ring(name)
        elif self._owner not in (get_ident(), None) and (self._running or self._in_turn):
            raise RuntimeError(f"{name}() on another thread than the loop runs on: use call_soon_threadsafe()")

    def _refuse(self, name: str) -> None:
        """Say why `name()` can't be called, if it can't: the loop is closed, or runs on another thread."""
        self._check_open()
        self.check_thread(name)

    def be_nobodys(self) -> None:
        """Have everybody ask `check_thread()` first, and so tell the host, until the next turn."""
        self._owner = self.runs_on[0] = 0  # no thread's number

    def be_ours(self) -> None:
        """Belong to this thread, as in a turn."""
        self._owner = self.runs_on[0] = get_ident()

    def _claim(self, name: str) -> None:
        """Belong to the thread that calls `name()`, if it may."""
        self._refuse(name)
        self._owner = self.runs_on[0] = get_ident()

    def _check_open(self) -> None:
        if self._closed:
            why = ": it was abandoned in a child of fork(); make a new one there" if self._abandoned else ""
            raise RuntimeError(f"the loop is closed{why}")
