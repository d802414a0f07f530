"""A week of 50 clients, every kind of protocol, and every fault: is each promise kept, and nothing left?

python tests/testing/soak.py --days 7 --seed 1      # `make soak`: some minutes
"""

from __future__ import annotations

import argparse
import gc
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import trustme

from reactor import Backoff, DatagramProtocol, FramedProtocol, Framing, Limits, Protocol, Reactor
from reactor.testing import SimNetwork, SimReactor
from reactor.testing.sim import KINDS

CLIENTS = 50
LIMITS = Limits(
    connect_timeout=10, write_timeout=60, idle_timeout=180, high_water=8192, low_water=2048, max_write_buffer=1 << 20
)
BACKOFF = Backoff(initial=0.2, longest=20)
EVERY = 40.0  # seconds between two questions of a client, about
QUIET = 1800.0  # seconds at the end in which nothing goes wrong
ALIVE: WeakSet[Any] = WeakSet()
COUNTS: Counter[str] = Counter()


class Life:
    """Holds every callback against the promises: in order, once, and in turns."""

    state = "new"
    writing_paused = False
    transport: Any

    def connection_made(self, transport: Any) -> None:
        assert self.state == "new", self.state
        self.state = "made"
        ALIVE.add(self)
        COUNTS["made"] += 1

    def lives(self) -> None:
        assert self.state in ("made", "eof"), f"something came when it was {self.state}"

    def eof_received(self) -> None:
        assert self.state == "made", self.state
        self.state = "eof"

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lives()
        self.state = "lost"
        COUNTS[f"lost {type(exc).__name__}"] += 1

    def pause_writing(self) -> None:
        self.lives()
        assert not self.writing_paused
        self.writing_paused = True
        COUNTS["writing paused"] += 1

    def resume_writing(self) -> None:
        self.lives()
        assert self.writing_paused
        self.writing_paused = False


class Raw(Life, Protocol):
    """Bytes."""

    def tell(self, data: bytes) -> None:
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.lives()
        self.came(data)


class Buffered(Life):
    """Bytes into a buffer of its own, as asyncio's BufferedProtocol has it."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        super().connection_made(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        self.buffer = bytearray(1000)
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.lives()
        self.came(bytes(self.buffer[:count]))

    def tell(self, data: bytes) -> None:
        self.transport.write(data)


class Framed(Life, FramedProtocol):
    """Messages."""

    def tell(self, data: bytes) -> None:
        self.send(data)

    def message_received(self, message: bytes) -> None:
        self.lives()
        self.came(message)


class Varint(Framed):
    framing = Framing.varint()


class Lines(Framed):
    framing = Framing.delimited(b"\n", keep=True)

    def tell(self, data: bytes) -> None:
        self.send(data.rstrip(b"\n"))


class Batches(Framed):
    def messages_received(self, messages: list[bytes]) -> None:
        self.lives()
        for message in messages:
            self.came(message)


STREAMS = [Raw, Buffered, Framed, Varint, Lines, Batches]


def answering(kind: type[Any]) -> type[Any]:
    """Return the server's side of a kind."""

    class Answers(kind):  # type: ignore[misc]
        def came(self, data: bytes) -> None:
            COUNTS["asked"] += 1
            self.tell(data)

    return Answers


def asking(kind: type[Any], client: Client) -> Callable[[], Any]:
    """Return what makes the client's side of a kind."""

    class Asks(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.sent = self.received = b""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            client.present = self

        def ask(self, data: bytes) -> None:
            self.sent += data
            self.tell(data)

        def came(self, data: bytes) -> None:
            self.received += data
            assert self.sent.startswith(self.received), "what came back is not what was sent"
            client.answered(self)
            if len(self.received) == len(self.sent):
                self.sent = self.received = b""

        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            if client.present is self:
                client.present = None

    return Asks


class Client:
    """The program of one client host."""

    def __init__(self, network: SimNetwork, number: int, context: ssl.SSLContext) -> None:
        self.network, self.number = network, number
        self.dice = network.new_dice(f"client {number}")
        self.kind = STREAMS[number % len(STREAMS)]
        self.tls = context if number % 3 == 2 else None
        self.port = port_of(self.kind, self.tls is not None)
        self.last_answer = 0.0
        self.present: Any = None

    def start(self, reactor: SimReactor) -> None:
        self.present, self.reactor = None, reactor
        self.connector = reactor.connect_tcp(
            asking(self.kind, self), "server", self.port, tls=self.tls, limits=LIMITS, reconnect=BACKOFF
        )
        self.udp = reactor.connect_udp(Datagrams, "server", 53, on_failure=lambda exc: None)
        reactor.call_later(EVERY * self.dice.random(), self.ask)

    def ask(self) -> None:
        self.reactor.call_later(EVERY * (0.5 + self.dice.random()), self.ask)
        if not self.udp.is_closing():
            self.udp.sendto(b"datagram")
        present, chance = self.present, self.dice.random()
        if present is None or present.transport.is_closing():
            return
        size = 1 + int(self.dice.random() * (40_000 if chance < 0.1 else 400))
        present.ask(b"x" * size + b"\n")
        if chance > 0.9:
            self.pause(present)
        elif chance > 0.88:
            present.transport.close()
        elif chance > 0.86:
            present.transport.abort()

    def pause(self, present: Any) -> None:
        present.transport.pause_reading()
        COUNTS["reading paused"] += 1
        self.reactor.call_later(20 * self.dice.random(), present.transport.resume_reading)

    def answered(self, protocol: Any) -> None:
        COUNTS["answered"] += 1
        self.last_answer = self.network.time


class Datagrams(DatagramProtocol):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        COUNTS["datagrams"] += 1
        assert data == b"datagram"


class DatagramAnswers(DatagramProtocol):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


def port_of(kind: type[Any], tls: bool) -> int:
    return 9000 + 2 * STREAMS.index(kind) + tls


class Server:
    """The program of the server: it drains now and then, and listens again."""

    def __init__(self, network: SimNetwork, context: ssl.SSLContext) -> None:
        self.network, self.context = network, context

    def start(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.listen()
        reactor.bind_udp(DatagramAnswers, None, 53)
        reactor.call_every(3 * 3600, self.drain)

    def listen(self) -> None:
        for kind in STREAMS:
            for tls in (None, self.context):
                port = port_of(kind, tls is not None)
                self.reactor.listen_tcp(answering(kind), None, port, tls=tls, limits=LIMITS)

    def drain(self) -> None:
        def drained(done: Any) -> None:
            COUNTS["drains"] += 1
            COUNTS["drained"] += done.closed
            COUNTS["cut by a drain"] += done.aborted
            self.listen()

        self.reactor.drain(30, drained)


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("server").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def soak(
    seed: int, seconds: float, clients: int = CLIENTS, told: Callable[[str], object] = lambda _: None
) -> Counter[str]:
    """Let so much time pass, quiet at its end; return what was counted. Raises what is wrong."""
    COUNTS.clear()
    live(seed, seconds, clients, told)
    gc.collect()
    assert not ALIVE, f"{len(ALIVE)} protocols outlive their network"
    return COUNTS


def live(seed: int, seconds: float, clients: int, told: Callable[[str], object]) -> None:
    for_server, for_clients = contexts()
    with SimNetwork(seed, log_lines=10_000, latency=0.01, jitter=0.01) as network:
        server = network.host("server", setup=Server(network, for_server).start)
        programs = [Client(network, number, for_clients) for number in range(clients)]
        for program in programs:
            network.host(f"client{program.number}", setup=program.start)
        network.disturb(*KINDS, every=120, until=seconds - QUIET, longest=60)
        while network.time < seconds:
            network.run(min(6 * 3600.0, seconds - network.time))
            told(f"day {network.time / 86400:.2f}: {dict(COUNTS)}")
        check(network, server, programs)
        COUNTS["lines of the log"] = network.log.written


def check(network: SimNetwork, server: Any, programs: list[Client]) -> None:
    """See that everybody is well behind half an hour without trouble, and that nothing is left of what was."""
    for program in programs:
        silent = network.time - program.last_answer
        assert silent < 6 * EVERY, f"client {program.number} has had no answer for {silent:.0f} s: {program.present}"
    stats = server.reactor.stats()
    assert stats["connections"] <= len(programs) + 5, f"{stats['connections']} connections of {len(programs)} clients"
    for host in network.hosts.values():
        stats = host.reactor.stats()
        assert stats["timers"] < 8 + 8 * stats["connections"], f"{host.name} has {stats['timers']} timers"
        assert host.machine.files < 40 + 2 * stats["connections"], f"{host.name} has {host.machine.files} files"
    gc.collect()
    assert len(ALIVE) <= 2 * len(programs) + 10, f"{len(ALIVE)} protocols live, for {len(programs)} connections"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    counts = soak(options.seed, options.days * 86400, told=lambda line: print(line, flush=True))
    print(f"{options.days:g} days in {time.monotonic() - began:.0f} s")
    print(*(f"{name:20} {count}" for name, count in sorted(counts.items())), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
