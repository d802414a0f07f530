"""The load of bench: clients that send every answer again. Law: a window ends when its last answer is back.

The server is then at rest, and its CPU time belongs to exactly the messages that were counted. A message goes round
as it came back, so what a server has changed is still changed in the last answers: comparing these is enough, and costs
the window nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from ..framing import Framing
from ..loop import Timer
from ..protocol import FramedProtocol, Transport
from ..reactor import Reactor
from .failure import reason
from .options import limits_for

_PATIENCE = 10.0  # seconds to wait for last answers


class Case(NamedTuple):
    """So many connections, each with so many messages of `size` bytes in flight."""

    framing: Framing
    size: int = 64
    in_flight: int = 1
    connections: int = 50


class Load:
    """The clients of one server. When they come to rest, or when something goes wrong, they stop the reactor."""

    def __init__(self, reactor: Reactor, case: Case) -> None:
        self.case = case
        self.is_open = False  # whether answers are sent again
        self.messages = 0
        self.elapsed = 0.0
        self.failure = ""
        self._reactor = reactor
        self._message = (bytes(range(256)) * (case.size // 256 + 1))[: case.size]
        self._clients: list[Client] = []
        self._waiting = 0  # for so many connections, or answers
        self._began = reactor.time()
        self._timer: Timer | None = None

    @property
    def is_at_rest(self) -> bool:
        return self._waiting == 0

    def connect(self, host: str, port: int) -> None:
        """Open all connections."""
        self._waiting = self.case.connections
        limits = replace(limits_for(self.case.framing), max_write_buffer=None)  # what is in flight is bounded already
        for _ in range(self.case.connections):
            self._reactor.connect_tcp(
                partial(Client, self), host, port, limits=limits, on_failure=lambda exc: self.fail(reason(exc))
            )

    def connected(self, client: Client) -> None:
        self._clients.append(client)
        self._count_down(1)

    def start(self, seconds: float) -> None:
        """Begin a window: all messages leave now, and answers are sent again for some seconds."""
        self.is_open, self.messages = True, 0
        self._waiting = self.case.connections * self.case.in_flight
        self._began = self._reactor.time()
        self._timer = self._reactor.call_later(seconds, self._time_is_up)
        messages = [self._message] * self.case.in_flight
        for client in self._clients:
            client.send_many(messages)

    def take(self, answers: list[bytes]) -> None:
        """Take answers that are not sent again."""
        if answers.count(self._message) != len(answers):
            return self.fail("an echo differs from its message")
        return self._count_down(len(answers))

    def fail(self, text: str) -> None:
        self.failure = self.failure or text
        self._reactor.stop()

    def _count_down(self, count: int) -> None:
        self._waiting -= count
        if self._waiting == 0:
            self._come_to_rest()

    def _come_to_rest(self) -> None:
        self.elapsed = self._reactor.time() - self._began
        if self._timer is not None:
            self._timer.cancel()
        self._reactor.stop()

    def _time_is_up(self) -> None:
        self.is_open = False
        self._timer = self._reactor.call_later(_PATIENCE, self._give_up)

    def _give_up(self) -> None:
        self.fail(f"{self._waiting} answers are due {_PATIENCE:g} s after the last message")


class Client(FramedProtocol):
    """One connection of a load. What it does for each read is all that the load costs."""

    def __init__(self, load: Load) -> None:
        self.framing = load.case.framing
        self._load = load

    def connection_made(self, transport: Transport) -> None:
        self._load.connected(self)

    def messages_received(self, messages: Any) -> None:  # a list: they all come at once
        load = self._load
        load.messages += len(messages)
        if load.is_open:
            self.send_many(messages)
        else:
            load.take(messages)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._load.fail("the server closed the connection" if exc is None else reason(exc))
