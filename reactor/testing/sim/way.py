"""Way: what becomes of packets from one host to another. Law: each has dice of its own, so one can't disturb another.

Every condition may be set while the network runs; what is under way is not affected.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from .events import Events
from .log import EventLog

# What can be set, and what holds unless it is. Chances are 0 to 1, of each packet.
CONDITIONS: dict[str, Any] = {
    "latency": 0.001,  # seconds
    "jitter": 0.0,  # seconds more, at most; a stream's bytes stay in order, datagrams don't
    "bandwidth": None,  # bytes a second, shared by all that goes this way; None for no bound
    "buffer": 256 * 1024,  # bytes of one stream that may be under way or unread
    "backlog": 1024,  # datagrams that may wait to be read at the other end
    "cuts": 0.0,  # chance that what is sent at once comes in pieces
    "loss": 0.0,  # chance that a packet is lost; a stream sends it again
    "duplicate": 0.0,  # chance that a datagram comes twice
    "reorder": 0.0,  # chance that a datagram comes much later
    "blocked": False,  # nothing passes: a partition
    "refuses": False,  # who connects is reset
    "ignores": False,  # who connects is never answered
}
_MUCH_LATER = 8  # times as long


class Way:
    """One direction between two hosts. Has each name of `CONDITIONS` as an attribute."""

    latency: float
    jitter: float
    bandwidth: float | None
    buffer: int
    backlog: int
    cuts: float
    loss: float
    duplicate: float
    reorder: float
    blocked: bool
    refuses: bool
    ignores: bool

    def __init__(self, events: Events, log: EventLog, name: str, dice: Random, conditions: dict[str, Any]) -> None:
        self._events = events
        self._log = log
        self.name = name
        self.dice = dice
        self._free_at = 0.0
        self.__dict__.update(conditions)

    def set(self, **conditions: Any) -> None:
        """Change conditions, from now on."""
        check_conditions(conditions)
        self.__dict__.update(conditions)
        self._log.note(self.name, ", ".join(f"{name} {value}" for name, value in conditions.items()))

    def pause(self, seconds: float) -> None:
        """Hold all that is sent, and let it pass behind that time."""
        self._free_at = max(self._free_at, self._events.now + seconds)
        self._log.note(self.name, "pauses for %g s", seconds)

    def carry(self, size: int) -> float | None:
        """Return how long a packet takes; None: it is lost."""
        if self.blocked or (self.loss and self.dice.random() < self.loss):
            return None
        now = self._events.now
        starts = self._free_at if self._free_at > now else now
        if self.bandwidth is not None:
            starts += size / self.bandwidth
        if starts > now:
            self._free_at = starts
        return starts - now + self.latency + (self.dice.random() * self.jitter if self.jitter else 0.0)

    def carry_datagram(self, size: int) -> list[float]:
        """Return how long each copy of a datagram takes; none of one that is lost."""
        first = self.carry(size)
        if first is None:
            return []
        if self.reorder and self.dice.random() < self.reorder:
            first += _MUCH_LATER * (self.latency + self.jitter) * self.dice.random()
        if self.duplicate and self.dice.random() < self.duplicate:
            return [first, first + (self.latency + self.jitter) * self.dice.random()]
        return [first]

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Yield what was sent at once in the pieces in which it travels."""
        while self.cuts and len(data) > 1 and self.dice.random() < self.cuts:
            at = 1 + int(self.dice.random() * (len(data) - 1))
            yield data[:at]
            data = data[at:]
        yield data


class Link:
    """Both ways between two hosts."""

    def __init__(self, there: Way, back: Way) -> None:
        self.there, self.back = there, back

    def set(self, **conditions: Any) -> None:
        """Change conditions of both ways, from now on."""
        self.there.set(**conditions)
        self.back.set(**conditions)

    def pause(self, seconds: float) -> None:
        """Hold all that is sent either way, and let it pass behind that time."""
        self.there.pause(seconds)
        self.back.pause(seconds)


def check_conditions(conditions: dict[str, Any]) -> None:
    for name in conditions:
        if name not in CONDITIONS:
            raise TypeError(f"there is no condition {name!r}: {', '.join(CONDITIONS)}")
