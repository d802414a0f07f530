"""Stalls: turns that take too long. Law: the loop writes what it does, a thread reads it; neither waits for the other.

While turns are watched the loop polls through here, and so says when one begins and when it is over: two looks at the
clock a turn, and no lock. Who doesn't ask for it pays nothing.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import traceback
from collections.abc import Callable

from .poller import Poll, Ready
from .report import say

_LONGEST_WAIT = 3600.0  # seconds; a lock can't wait for years

_log = logging.getLogger(__name__)


class Stalls:
    """Watches the turns of a loop, and logs where its thread stands, once for each that takes too long."""

    def __init__(self, poll: Poll, clock: Callable[[], float]) -> None:
        self._own_poll = poll
        self._clock = clock
        self._after = math.inf
        self._over = threading.Event()  # set when nobody is to look any more
        self._thread = 0  # that makes the turns
        self._told_of: float | None = None  # the beginning of the turn that was told of last
        self.began: float | None = None  # when the turn began that is being made; None in a poll, and outside of turns
        self.longest = 0.0  # seconds
        self.count = 0

    def watch(self, after: float) -> Poll:
        """Tell of turns that take `after` seconds, from the next poll on; return what the loop is to poll with."""
        self.end()
        self._after, self._over = after, threading.Event()
        threading.Thread(target=self._keep_looking, args=(self._over,), name="reactor-stalls", daemon=True).start()
        return self.poll

    def end(self) -> Poll:
        """Tell nothing more; the thread ends on its own. Return what the loop is to poll with."""
        self._over.set()
        self.began = None
        return self._own_poll

    # --- what the loop says

    def poll(self, timeout: float | None) -> Ready:
        """Poll, between two turns."""
        self.turn_ended()
        ready = self._own_poll(timeout)
        self._thread = threading.get_ident()
        self.began = self._clock()
        return ready

    def turn_ended(self) -> None:
        began, self.began = self.began, None
        if began is not None:
            self.longest = max(self.longest, self._clock() - began)

    # --- what the thread makes of it

    def _keep_looking(self, over: threading.Event) -> None:
        while not over.wait(min(self.due_in(self._clock()), _LONGEST_WAIT)):
            self.look(self._clock())

    def due_in(self, now: float) -> float:
        """Return in how many seconds a turn can have become a stall that was not told of."""
        began = self.began
        if began is None or began == self._told_of:
            return self._after
        return max(0.0, self._after - (now - began))

    def look(self, now: float) -> None:
        """Tell of the turn that is being made, if it has become a stall."""
        began = self.began
        if began is not None and began != self._told_of and now - began >= self._after:
            self._told_of = began
            self._tell(began, now - began)

    def _tell(self, began: float, seconds: float) -> None:
        """Say where the loop stands, if it still does."""
        frame = sys._current_frames().get(self._thread)
        if frame is None or self.began != began:
            return
        self.count += 1
        stack = "".join(traceback.format_stack(frame))
        text = "the loop stands still: a turn has taken %.3f s so far, report_stalls(after=%g). It is at\n%s"
        say(_log, logging.WARNING, text, seconds, self._after, stack)


def check_after(after: object) -> None:
    """Judge how long a turn may take."""
    if after is None:
        return
    if isinstance(after, bool) or not isinstance(after, (int, float)):
        raise TypeError(f"after is {after!r}, it must be seconds, or None")
    if not after > 0:
        raise ValueError(f"after is {after!r}, it must be more than 0 seconds, or None")
