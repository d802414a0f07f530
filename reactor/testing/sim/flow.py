"""Flow: one direction of a stream. Law: what is sent comes in order, once, however the packets fare, or one end fails.

A packet that is lost is sent again, after longer and longer waits, as TCP does. Who has had no answer for a quarter of
an hour gives up (tcp_retries2 of Linux). A reset is sent once, and may be lost: then the other end is half open.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import Any

from .events import Events
from .log import EventLog
from .way import Way

HEADER = 40  # bytes of a packet that has no others
_FIN = b""
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 120.0  # seconds until a packet is sent again
_PATIENCE = 924.6  # seconds, of Linux


class Flow:
    """From `source` to `sink`, two sockets, along `way`; what the sink tells comes along `back`."""

    __slots__ = (
        "_arrives", "_back", "_dead", "_events", "_log", "_since", "_sink", "_source", "_starved",
        "_stuck", "_taken", "_wait", "_way", "name", "over", "under_way",
    )  # fmt: skip

    def __init__(self, events: Events, log: EventLog, source: Any, sink: Any, way: Way, back: Way) -> None:
        self._events, self._log = events, log
        self._source, self._sink = source, sink
        self._way, self._back = way, back
        self.name = f"{source.label}>{sink.label}"
        self.under_way = 0  # bytes that have not arrived
        self._taken = 0  # bytes that are under way, or not read, as far as the source knows
        self._arrives = 0.0  # when the last packet does
        self._stuck: deque[bytes] = deque()  # to be sent, or sent again
        self._wait, self._since = _FIRST_WAIT, 0.0
        self._starved = self._dead = self.over = False

    def free(self) -> int:
        """Return how many bytes can be taken."""
        return max(0, self._way.buffer - self._taken)

    def room(self) -> bool:
        """Tell whether another byte can be taken."""
        return self._way.buffer > self._taken

    def send(self, data: bytes) -> int:
        """Take as much as there is room for."""
        room = self._way.buffer - self._taken
        if room < len(data):
            self._starved = True
            if room <= 0:
                return 0
            data = data[:room]
        self._taken += len(data)
        self.under_way += len(data)
        if self._way.cuts:
            for piece in self._way.cut(data):
                self._launch(piece)
        elif self._stuck or self.over or self._dead or not self._carried(data):
            self._keep(data)
        return len(data)

    def end(self) -> None:
        """Send FIN, behind all the rest."""
        self._launch(_FIN)

    def reset(self) -> None:
        """Send RST, and forget what has not left. It is sent once: whoever gets none finds out later."""
        self.over = True
        self._stuck.clear()
        seconds = self._way.carry(HEADER)
        if seconds is None:
            return self._log.note(self.name, "tcp reset, lost")
        self._events.at(max(self._events.now + seconds, self._arrives), self._reset_arrives)

    def break_off(self) -> None:
        """Be reset at both ends, by somebody between them."""
        for end in (self._source, self._sink):
            if not end.vanished:
                end.fail(errno.ECONNRESET)

    def not_before(self, when: float) -> None:
        """Let nothing arrive before the handshake is complete."""
        self._arrives = when

    def was_read(self, count: int) -> None:
        """Give room back; who waits for it hears of it later."""
        if self._starved or self._back.blocked:
            self._events.after(self._back.latency, self._tell_room, count)
        else:
            self._taken -= count

    def _tell_room(self, count: int) -> None:
        if self._back.blocked and not self._source.closed:
            return self._events.after(_FIRST_WAIT, self._tell_room, count)
        self._taken -= count
        self._starved = False
        self._source.changed()

    # --- packets

    def _launch(self, packet: bytes) -> None:
        if self._stuck or self.over or self._dead or not self._carried(packet):
            self._keep(packet)

    def _keep(self, packet: bytes) -> None:
        """Send it again later, unless it is for nobody any more."""
        if not (self.over or self._dead):
            self._stuck.append(packet)
            if len(self._stuck) == 1:
                self._since, self._wait = self._events.now, _FIRST_WAIT
                self._log.note(self.name, "tcp lost, %d bytes", len(packet))
                self._events.after(self._wait, self._send_again)

    def _carried(self, packet: bytes) -> bool:
        seconds = self._way.carry(HEADER + len(packet))
        if seconds is None:
            return False
        arrives = self._events.now + seconds
        if arrives < self._arrives:  # not before what was sent before it
            arrives = self._arrives
        self._arrives = arrives
        self._events.at(arrives, self._arrive, packet)
        return True

    def _send_again(self) -> None:
        if self.over or self._dead:
            return
        left = len(self._stuck)
        while self._stuck and self._carried(self._stuck[0]):
            self._stuck.popleft()
        if len(self._stuck) < left:
            self._since, self._wait = self._events.now, _FIRST_WAIT / 2
        if self._stuck:
            self._wait_longer(self._send_again)

    def _wait_longer(self, callback: Any) -> None:
        if self._events.now - self._since >= _PATIENCE:
            self._source.fail(errno.ETIMEDOUT)
        else:
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
            self._events.after(self._wait, callback)

    # --- arrivals

    def _arrive(self, packet: bytes) -> None:
        sink = self._sink
        if sink.vanished:
            return self._unanswered()
        self.under_way -= len(packet)
        if not packet:
            self._log.note(self.name, "tcp end")
            sink.end_came()
        elif sink.closed or sink.failed:
            self._taken -= len(packet)
            if not sink.failed:
                self._log.note(self.name, "tcp %d bytes for nobody", len(packet))
                sink.refuse()
        else:
            self._log.note(self.name, "tcp %d bytes", len(packet))
            sink.data_came(packet)

    def _reset_arrives(self) -> None:
        if not (self._sink.vanished or self._sink.closed):
            self._log.note(self.name, "tcp reset")
            self._sink.fail(errno.ECONNRESET)

    def _unanswered(self) -> None:
        """Note that nobody is there any more: the source finds out, sooner if the host is back."""
        if not self._dead:
            self._dead = True
            self._since, self._wait = self._events.now, _FIRST_WAIT
            self._events.after(self._wait, self._ask)

    def _ask(self) -> None:
        if self._source.closed:
            return
        if self._sink.host.up and not (self._way.blocked or self._back.blocked):
            self._log.note(self.name, "tcp reset by who knows of no connection")
            self._source.fail(errno.ECONNRESET)
        else:
            self._wait_longer(self._ask)
