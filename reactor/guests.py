"""Guests: who is at a server, and which of them have said nothing yet. Law: one table entry each, one timer for all.

A connection that is idle from its first second would need a timer and a table of its own, half of what it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from .loop import EventLoop
from .transport import Connection
from .waits import Waits


class Guests(Waits[Connection]):
    """A server's connections, in order; those that bring no first message in `seconds` are ended, with None nobody is.

    What came is looked at when the time is over, and not before: until then who has spoken is a newcomer, too. The
    timer isn't cancelled when the last newcomer goes, for the next one would set it again: it lapses.
    """

    def __init__(self, loop: EventLoop, seconds: float | None) -> None:
        super().__init__(loop)
        self._seconds = seconds
        self.known: dict[Connection, None] = {}  # in order, and leaner than a set of thousands

    def __len__(self) -> int:
        return len(self.known) + len(self._due)

    def __iter__(self) -> Iterator[Connection]:
        return chain(self.known, self._due)

    def are_as_many_as(self, cap: int | None) -> bool:
        """Whether there is no room for one more."""
        return cap is not None and len(self.known) + len(self._due) >= cap

    def add(self, connection: Connection) -> None:
        """Begin to wait for what somebody says."""
        if self._seconds is None:
            self.known[connection] = None
            return
        due = self._loop.time() + self._seconds
        self._due[connection] = due
        self.known.pop(connection, None)
        if self._timer is None:
            self._arm()

    def discard(self, connection: Connection) -> None:
        """Forget somebody who is gone."""
        if self._due.pop(connection, None) is None:
            self.known.pop(connection, None)

    def clear(self) -> None:
        self.known.clear()
        self._due.clear()
        self.rest()

    def rest(self) -> None:
        """Have no timer while nobody is new: behind the last who may come."""
        if not self._due:
            self._disarm()

    def mend(self) -> None:
        """Wait anew behind an exception out of nowhere: it isn't known whom it has kept from being judged."""
        for connection in list(self.known):
            self.add(connection)
        self._arm()

    def _overdue(self, connection: Connection) -> None:
        self.known[connection] = None
        del self._due[connection]
        if not connection.has_spoken():
            self._end(connection)

    def _end(self, connection: Connection) -> None:
        """End somebody who could have spoken, and hasn't."""
        assert self._seconds is not None
        if connection.may_have_spoken():
            self.add(connection)
        else:
            connection.stayed_silent(self._seconds)
