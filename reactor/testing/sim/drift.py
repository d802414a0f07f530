"""DriftingClock: a host's own clock. Law: it never goes back, and says nothing about any other host's."""

from __future__ import annotations

from .events import Events


class DriftingClock:
    """Gives the host's seconds: `rate` of them in a second of the network's."""

    def __init__(self, events: Events, start: float, rate: float = 1.0) -> None:
        self._events = events
        self._base, self._since = start, events.now
        self._rate = rate

    def __call__(self) -> float:
        return self._base + (self._events.now - self._since) * self._rate

    @property
    def rate(self) -> float:
        return self._rate

    def run_at(self, rate: float) -> None:
        """Run faster or slower from now on."""
        if not rate > 0:
            raise ValueError(f"rate is {rate!r}, it must be more than 0: a clock never goes back")
        self._base, self._since = self(), self._events.now
        self._rate = rate

    def until(self, seconds: float) -> float:
        """Return how long the network waits for so many of the host's seconds."""
        return seconds / self._rate
