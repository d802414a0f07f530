"""Guests: who is at a server, and which of them have said nothing yet. Law: one table entry each, one timer for all.

A connection that is idle from its first second would need a timer and a table of its own, half of what it is made of.
All of a server's wait equally long, so who came first is due first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from .loop import EventLoop, Timer
from .transport import Connection

_AT_ONCE = 256  # who is judged behind one look: others have their turns in between


class Guests:
    """A server's connections, in order; those that bring no first message in `seconds` are ended, with None nobody is.

    What came is looked at when the time is over, and not before: until then who has spoken is a newcomer, too. The
    timer isn't cancelled when the last newcomer goes, for the next one would set it again: it lapses.
    """

    def __init__(self, loop: EventLoop, seconds: float | None) -> None:
        self._loop = loop
        self._seconds = seconds
        self.known: dict[Connection, None] = {}  # in order, and leaner than a set of thousands
        self._new: dict[Connection, float] = {}  # each with when it is due: the first to come stands first
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self.known) + len(self._new)

    def __iter__(self) -> Iterator[Connection]:
        return chain(self.known, self._new)

    def are_as_many_as(self, cap: int | None) -> bool:
        """Whether there is no room for one more."""
        return cap is not None and len(self.known) + len(self._new) >= cap

    def add(self, connection: Connection) -> None:
        """Begin to wait for what somebody says."""
        if self._seconds is None:
            self.known[connection] = None
            return
        due = self._loop.time() + self._seconds
        self._new[connection] = due
        self.known.pop(connection, None)
        if self._timer is None:
            self._arm()

    def discard(self, connection: Connection) -> None:
        """Forget somebody who is gone."""
        if self._new.pop(connection, None) is None:
            self.known.pop(connection, None)

    def clear(self) -> None:
        self.known.clear()
        self._new.clear()
        self.rest()

    def rest(self) -> None:
        """Have no timer while nobody is new: behind the last who may come."""
        if not self._new:
            self._disarm()

    def mend(self) -> None:
        """Wait anew behind an exception out of nowhere: it isn't known whom it has kept from being judged."""
        for connection in list(self.known):
            self.add(connection)
        self._disarm()
        self._arm()

    def _arm(self) -> None:
        if self._new:
            self._timer = self._loop.call_at(next(iter(self._new.values())), self._look)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._loop.call_after_look(self._judge)

    def _judge(self) -> None:
        now = self._loop.time()
        for connection, due in list(islice(self._new.items(), _AT_ONCE)):
            if due > now:
                break
            if connection in self._new:
                self.known[connection] = None
                del self._new[connection]
                if not connection.has_spoken():
                    self._end(connection)
        self._disarm()
        self._arm()

    def _end(self, connection: Connection) -> None:
        """End somebody who could have spoken, and hasn't."""
        assert self._seconds is not None
        if connection.may_have_spoken():
            self.add(connection)
        else:
            connection.stayed_silent(self._seconds)
