"""Waits: who is waited for, all equally long. Law: one table entry each, and one timer for all.

Who came first is due first, so the timer is the first one's.
"""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

from .loop import EventLoop, Timer

_AT_ONCE = 256  # who is judged behind one look: others have their turns in between

Who = TypeVar("Who")


class Waits(Generic[Who]):
    """Judges who is due behind a look, some at once. `_due`: each with when it is due, the first to come first."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._due: dict[Who, float] = {}
        self._timer: Timer | None = None

    def _overdue(self, who: Who) -> None:
        """Judge somebody whose time is over: who stays in the table is judged again."""
        raise NotImplementedError

    def _arm(self) -> None:
        self._disarm()
        if self._due:
            self._timer = self._loop.call_at(next(iter(self._due.values())), self._look)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._loop.call_after_look(self._judge)

    def _judge(self) -> None:
        now = self._loop.time()
        for who, due in list(islice(self._due.items(), _AT_ONCE)):
            if due > now:
                break
            if who in self._due:
                self._overdue(who)
        self._arm()
