"""Newcomers: who has come to a server and said nothing yet. Law: one timer for all of them, and nothing per message.

A connection that is idle from its first second would need a timer and a table of its own, half of what it is made of.
All of a server's wait equally long, so who came first is due first.
"""

from __future__ import annotations

from itertools import islice

from .loop import EventLoop, Timer
from .transport import Connection

_AT_ONCE = 256  # who is judged behind one look: others have their turns in between


class Newcomers:
    """Ends a server's connections that bring no first message in `seconds`; with None everybody may be silent.

    What came is looked at when the time is over, and not before: until then who has spoken is in the table, too.
    """

    def __init__(self, loop: EventLoop, seconds: float | None) -> None:
        self._loop = loop
        self._seconds = seconds
        self._due: dict[Connection, float] = {}  # the first to come stands first
        self._timer: Timer | None = None

    def add(self, connection: Connection) -> None:
        """Begin to wait for what somebody says."""
        if self._seconds is not None:
            self._due[connection] = self._loop.time() + self._seconds
            if self._timer is None:
                self._arm()

    def discard(self, connection: Connection) -> None:
        """Wait no more for somebody who is gone."""
        if self._due.pop(connection, None) is not None and not self._due:
            self._disarm()

    def clear(self) -> None:
        self._due.clear()
        self._disarm()

    def mend(self, connections: dict[Connection, None]) -> None:
        """Wait anew behind an exception out of nowhere."""
        for connection in connections:
            if connection not in self._due:
                self.add(connection)
        self._arm()

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
        for connection, due in list(islice(self._due.items(), _AT_ONCE)):
            if due > now:
                break
            if self._due.pop(connection, None) is not None and not connection.has_spoken():
                self._end(connection)
        self._arm()

    def _end(self, connection: Connection) -> None:
        """End somebody who could have spoken, and hasn't."""
        assert self._seconds is not None
        if connection.may_have_spoken():
            self.add(connection)
        else:
            connection.stayed_silent(self._seconds)
