"""Events: what is to happen, in order. Law: time is what the next event says; equal times are first in, first out."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Events:
    """A heap of calls, and the simulated time in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, when: float, callback: Callable[..., object], *args: Any) -> None:
        """Call at that time; what is past is now."""
        self._count += 1
        heappush(self._heap, (when if when > self.now else self.now, self._count, callback, args))

    def after(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        self.at(self.now + seconds, callback, *args)

    def run(self, until: float, is_over: Callable[[], object]) -> None:
        """Let everything happen up to a time, until `is_over()`, which is asked behind every event."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, callback, args = heappop(heap)
            callback(*args)
            args = ()  # or what was called would live until the next event
            if is_over():
                return
        self.now = max(self.now, until)

    def clear(self) -> None:
        self._heap.clear()
