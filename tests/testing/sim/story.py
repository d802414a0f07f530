"""An hour of a bad network, whose log is compared between interpreters. Takes no test library."""

from __future__ import annotations

from typing import Any

from reactor import Backoff, DatagramProtocol, FramedProtocol, Limits, Reactor
from reactor.testing import SimNetwork


class Answers(FramedProtocol):
    def message_received(self, message: bytes) -> None:
        self.send(message[::-1])


class Asks(FramedProtocol):
    def connection_made(self, transport: Any) -> None:
        self.loop = transport._loop
        self.timer = self.loop.call_every(7, self.ask)

    def ask(self) -> None:
        for size in (1, 100, 30_000):
            self.send(bytes(size))

    def connection_lost(self, exc: BaseException | None) -> None:
        self.timer.cancel()


class Says(DatagramProtocol):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data[1:], addr) if data else None


def serve(reactor: Reactor) -> None:
    reactor.listen_tcp(Answers, None, 9000)
    reactor.bind_udp(Says, None, 53)


def ask(reactor: Reactor) -> None:
    reactor.connect_tcp(Asks, "server", 9000, reconnect=Backoff(longest=5), limits=Limits(write_timeout=20))
    endpoint = reactor.connect_udp(Says, "server", 53)
    reactor.call_every(11, endpoint.sendto, b"hello")


def told(seed: int) -> str:
    with SimNetwork(seed, jitter=0.02, loss=0.05, cuts=0.3, duplicate=0.1, reorder=0.1, bandwidth=1e6) as network:
        server = network.host("server", setup=serve)
        for name in ("one", "two", "three"):
            network.host(name, setup=ask, drift=1 + network.dice.random() / 100)
        network.at(100, network.partition, ["server", "one"], ["two", "three"])
        network.at(250, network.heal)
        network.at(400, server.restart, 30)
        network.at(700, server.kill)
        network.at(720, server.boot)
        network.at(900, server.freeze, 25)
        network.at(1000, network.way("one", "server").pause, 12)
        network.run(1200)
        return str(network.log)
