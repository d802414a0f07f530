"""Timers ordered by deadline. Law: this file never reads a clock; the caller says what time it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any

from .handle import Handle, nothing, refuse_uncallable

_FIRST = -inf
_COMPACT_FROM = 64  # below this many cancelled timers the heap isn't worth rebuilding


class Timer(Handle):
    """A call at `when` (seconds on the loop's clock), repeated every `interval` seconds if that isn't 0."""

    __slots__ = ("_queue", "when")

    interval = 0.0
    _queue: TimerQueue
    when: float

    def start(self, when: float) -> None:
        """Be called at `when`. Once: for who has to know it before it can be due."""
        self.when = when
        self._queue.push(self)

    def cancel(self) -> None:
        """Never make the call, nor repeat it."""
        if self.func is not nothing:
            Handle.cancel(self)
            self._queue.note_cancelled()


class TimerQueue:
    """A heap of timers; equal deadlines leave first in, first out. Cancelling is O(1): the heap is compacted later."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Timer]] = []  # to be looked at: empty means that there is nothing to ask
        self._added = 0
        self._cancelled = 0  # about how many of the heap are: those too that had left it before

    def add(
        self,
        now: float,
        seconds: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        repeats: bool = False,
    ) -> Timer:
        """Return a timer that is due `seconds` behind `now`. Raises TypeError or ValueError for what is no number."""
        try:
            when = now + seconds if now else seconds  # a sum is a new float, 7 % of all this
            if not when >= _FIRST:  # nan compares with nothing, and would break the order of all others
                raise ValueError(f"a number of seconds is needed, not {seconds!r}")
        except TypeError:
            raise TypeError(f"a number of seconds is needed, not {seconds!r}") from None
        if repeats and seconds <= 0:
            raise ValueError(f"interval is {seconds!r}, it must be more than 0 seconds")
        try:
            timer = Timer(callback, *args)
        except TypeError:
            refuse_uncallable(callback)
        timer._queue = self
        timer.when = when
        if repeats:
            timer.interval = seconds
        self._added = added = self._added + 1
        heappush(self.heap, (when, added, timer))
        return timer

    def make(self, callback: Callable[..., object], args: tuple[Any, ...]) -> Timer:
        """Return a timer that isn't set yet."""
        try:
            timer = Timer(callback, *args)
        except TypeError:
            refuse_uncallable(callback)
        timer._queue, timer.when = self, inf
        return timer

    def push(self, timer: Timer) -> None:
        self._added += 1
        heappush(self.heap, (timer.when, self._added, timer))

    def repeat(self, timer: Timer, now: float) -> None:
        """Queue a repeating timer that has run, for its next time that is not past: no run is made up for."""
        if timer.cancelled:
            return
        timer.when += timer.interval
        if timer.when <= now:
            timer.when += timer.interval * (1 + (now - timer.when) // timer.interval)
        self.push(timer)

    def next_deadline(self) -> float | None:
        """Return when the first timer is due."""
        heap = self.heap
        while heap and heap[0][2].func is nothing:
            heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def take_due(self, now: float, due: deque[tuple[float, int, Timer]]) -> None:
        """Put what is due at `now` there, in order; each in one step, so that it is always in one of the two."""
        heap = self.heap
        while heap and heap[0][0] <= now:
            due.extend(map(heappop, (heap,)))

    def note_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _COMPACT_FROM and 2 * self._cancelled > len(self.heap):
            heap = [entry for entry in self.heap if entry[2].func is not nothing]
            heapify(heap)
            self.heap, self._cancelled = heap, 0

    def __contains__(self, timer: Timer) -> bool:
        return any(entry[2] is timer for entry in self.heap)

    def __len__(self) -> int:
        return sum(not entry[2].cancelled for entry in self.heap)
