"""Timers ordered by deadline. Law: this file never reads a clock; the caller says what time it is."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from typing import Any

from .handle import Handle

_COMPACT_FROM = 64  # below this many cancelled timers the heap isn't worth rebuilding


class Timer(Handle):
    """A call at `when` (seconds on the loop's clock), repeated every `interval` seconds if that isn't 0."""

    __slots__ = ("_queue", "interval", "when")

    def __init__(
        self,
        queue: TimerQueue,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        interval: float = 0.0,
    ) -> None:
        super().__init__(callback, args)
        self._queue: TimerQueue | None = queue
        self.when = when
        self.interval = interval

    def cancel(self) -> None:
        if not self.cancelled:
            super().cancel()
            if self._queue is not None:
                self._queue.note_cancelled()


class TimerQueue:
    """A heap of timers; equal deadlines leave first in, first out. Cancelling is O(1): the heap is compacted later."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Timer]] = []  # to be looked at: empty means that there is nothing to ask
        self._added = 0
        self._cancelled = 0

    def add(self, when: float, callback: Callable[..., object], args: tuple[Any, ...], interval: float = 0.0) -> Timer:
        if math.isnan(when):  # it compares with nothing, and would break the order of all others
            raise ValueError(f"the deadline is {when!r}, it must be a number of seconds")
        timer = Timer(self, when, callback, args, interval)
        self._push(timer)
        return timer

    def repeat(self, timer: Timer, now: float) -> None:
        """Queue a repeating timer that has run, for its next time that is not past: no run is made up for."""
        if timer.cancelled:
            return
        timer.when += timer.interval
        if timer.when <= now:
            timer.when += timer.interval * (1 + (now - timer.when) // timer.interval)
        self._push(timer)

    def next_deadline(self) -> float | None:
        """Return when the first timer is due."""
        while self.heap and self.heap[0][2].cancelled:
            heapq.heappop(self.heap)
            self._cancelled -= 1
        return self.heap[0][0] if self.heap else None

    def pop_due(self, now: float) -> Iterator[Timer]:
        """Remove and yield the timers due at `now`, in order."""
        while (when := self.next_deadline()) is not None and when <= now:
            timer = heapq.heappop(self.heap)[2]
            timer._queue = None
            yield timer

    def note_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _COMPACT_FROM and 2 * self._cancelled > len(self.heap):
            self.heap = [entry for entry in self.heap if not entry[2].cancelled]
            heapq.heapify(self.heap)
            self._cancelled = 0

    def __len__(self) -> int:
        return len(self.heap) - self._cancelled

    def _push(self, timer: Timer) -> None:
        timer._queue = self
        self._added += 1
        heapq.heappush(self.heap, (timer.when, self._added, timer))
