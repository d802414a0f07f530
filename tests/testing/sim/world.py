"""A server that answers and a client, on a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helpers import FrameRecorder

from reactor import Reactor
from reactor.testing import SimNetwork


class Answers(FrameRecorder):
    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        self.send(message)


class World:
    """A server that answers at port 9000, and a client; `made` has what the server's factory made."""

    def __init__(self, network: SimNetwork) -> None:
        self.network = network
        self.made: list[Answers] = []
        self.server = network.host("server", setup=self.serve)
        self.client = network.host("client")
        self.failures: list[Any] = []

    def serve(self, reactor: Reactor) -> None:
        reactor.listen_tcp(self.answers, None, 9000)

    def answers(self) -> Answers:
        self.made.append(Answers())
        return self.made[-1]

    def connect(self, factory: Callable[[], Any] = FrameRecorder, host: str = "server", **options: Any) -> Any:
        """Connect, and return the protocol that `factory` makes, once it is made."""
        made: list[Any] = []

        def make() -> Any:
            made.append(factory())
            return made[-1]

        self.client.reactor.connect_tcp(make, host, 9000, on_failure=self.failures.append, **options)
        self.network.run_until(lambda: self.failures or (made and getattr(made[-1], "made", True)), 600)
        return made[-1] if made else None

    def asks(self, *messages: bytes) -> Any:
        """Connect, send, and return the protocol."""
        asks = self.connect()
        self.send(asks, *messages)
        return asks

    def send(self, asks: Any, *messages: bytes) -> None:
        for message in messages:
            asks.send(message)
