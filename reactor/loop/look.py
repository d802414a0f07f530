"""FullLook: calls that wait until all that was ready when they were asked for has been looked at.

Law: a look is full when a poll found less than it had room for, or when as many events have been handled as files were
registered when it began. The kernel's queue rotates: who was in it then has been at its head by then. So a server that
is too busy for a short poll judges, too.
"""

from __future__ import annotations

import selectors
from collections import deque

from .handle import Handle
from .poller import bound_of


class FullLook:
    """One look at a time, of as many polls as it takes. It is made for those who had asked before its first one."""

    __slots__ = ("_bound", "_left", "asked", "waiting")

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._bound = bound_of(selector)
        self._left = 0  # events until the look is full
        self.asked: deque[Handle] = deque()  # too late for the look that is being made
        self.waiting: deque[Handle] = deque()

    def begin(self, registrations: int) -> None:
        """Say that a poll comes next. It begins a look, unless one is being made or not all of its calls were."""
        if not self.waiting:
            self._left = registrations  # first, whatever comes between: with fewer left it would be full too soon
            self.waiting, self.asked = self.asked, self.waiting

    def is_full_with(self, found: int) -> bool:
        """Say how many a poll found, all of which have been called; tell whether `waiting` may be."""
        self._left = 0 if found < self._bound else self._left - found
        return self._left <= 0
