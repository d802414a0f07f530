"""Load: clients that compare every echo. Law: the first thing that goes wrong is the result, and ends it all."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from ..framing import Framing
from ..protocol import FramedProtocol, Transport
from ..reactor import Reactor
from ..transport.address import TCPAddress
from .failure import reason
from .options import limits_for
from .round_trips import RoundTrips

_IN_FLIGHT = 4  # messages a connection may wait for: enough that batches of frames come up
_PATIENCE = 10.0  # seconds to wait for last answers
_STARTS = 4096  # different places where a message of one size may begin in the random bytes


class Load:
    """Clients of one server, and what they have seen. `on_end()` is called when it is over, well or not."""

    def __init__(self, reactor: Reactor, framing: Framing, limit: int, on_end: Callable[[], object]) -> None:
        self.framing = framing
        self.limit = limit
        self.messages = self.bytes = 0
        self.elapsed = 0.0
        self.round_trips = RoundTrips()
        self.failure = ""
        self.is_time_up = False
        self._reactor = reactor
        self._random_bytes = random.randbytes(limit + _STARTS)
        self._on_end = on_end
        self._open = 0
        self.now = reactor.time

    @property
    def is_over(self) -> bool:
        return bool(self.failure) or self._open == 0

    def start(self, address: TCPAddress, connections: int, seconds: float) -> None:
        """Connect, and send for some seconds; each connection sends something, however few they are."""
        self._open = connections
        self._started = self.now()
        for number in range(1, connections + 1):
            self._reactor.connect_tcp(
                partial(Client, self, number),
                *address,
                limits=limits_for(self.framing),
                on_failure=lambda exc: self.fail(reason(exc)),
            )
        self._reactor.call_later(seconds, self._time_is_up)

    def message(self, size: int) -> bytes:
        """Return a message that is unlike others of its size."""
        start = int(random.random() * _STARTS)
        return self._random_bytes[start : start + size]

    def count(self, size: int, seconds: float) -> None:
        """Note one good answer."""
        self.messages += 1
        self.bytes += size
        self.round_trips.add(seconds)

    def fail(self, text: str) -> None:
        self.failure = self.failure or text
        self._end()

    def client_is_done(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._end()

    def _end(self) -> None:
        self.elapsed = self.now() - self._started
        self._on_end()

    def _time_is_up(self) -> None:
        self.is_time_up = True
        self._reactor.call_later(_PATIENCE, self._give_up)

    def _give_up(self) -> None:
        self.fail(f"{self._open} connections still wait for answers {_PATIENCE:g} s after the last message")


class Client(FramedProtocol):
    """Keeps a few messages in flight until the time is up, then takes the last answers and closes."""

    def __init__(self, load: Load, number: int) -> None:
        self.framing = load.framing
        self._load = load
        self._number = number
        self._sizes = _sizes(load.limit)
        self._due: deque[tuple[bytes, float]] = deque()  # what must come back, in this order, and when it left
        self._due_bytes = 0

    def connection_made(self, transport: Transport) -> None:
        self._send_more()

    def message_received(self, message: bytes) -> None:
        expected, sent_at = self._due[0]
        if message != expected:
            sizes = f"{len(message)} bytes for one of {len(expected)}"
            return self._load.fail(f"connection {self._number}: an echo differs from its message: {sizes}")
        self._due.popleft()
        self._due_bytes -= len(message)
        self._load.count(len(message), self._load.now() - sent_at)
        if not self._load.is_time_up:
            self._send_more()
        elif not self._due:
            self.transport.close()
        return None

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self._due:  # only our own close() comes with nothing due
            return self._load.client_is_done()
        why = "the server closed the connection" if exc is None else reason(exc)
        return self._load.fail(f"connection {self._number}: {why}; {len(self._due)} answers were due")

    def _send_more(self) -> None:
        while len(self._due) < _IN_FLIGHT and self._due_bytes <= self._load.limit:
            message = self._load.message(next(self._sizes))
            self._due.append((message, self._load.now()))
            self._due_bytes += len(message)
            self.send(message)


def _sizes(limit: int) -> Iterator[int]:
    """Yield 0, then the limit, then sizes in between of which each order of magnitude gets its share."""
    yield 0
    yield limit
    while True:
        yield int((limit + 1) ** random.random()) - 1
