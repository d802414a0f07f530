"""Work for bench_counts.py to count: `python counted.py NAME ...` does each twice, a few rounds and then more.

Each time is in a child of its own: they share the start, which takes longer than the work. Everything happens in one
thread and in a fixed order: the peers are sockets of the same process, so every run of a workload executes the same
instructions.
"""

from __future__ import annotations

import gc
import os
import selectors
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from reactor import FramedProtocol, Framing, Reactor

SIZE = 64
FRAMING = Framing()
BATCH = 32
CONNECTIONS = 20
ACCEPTED = 16  # as many as one turn takes
FIRST = 20  # rounds that aren't counted: the interpreter specializes the code, and caches fill


class Messages(FramedProtocol):
    """A callback per message."""

    def message_received(self, message: bytes) -> None:
        self.send(message)


class Reads(FramedProtocol):
    """A callback per read."""

    def messages_received(self, messages: Any) -> None:
        self.send_many(messages)


def peers_of(
    reactor: Reactor, protocol: type[FramedProtocol], connections: int, stack: ExitStack
) -> list[socket.socket]:
    """Connect the reactor so often, and return the other ends."""
    peers = []
    for _ in range(connections):
        ours, peer = (stack.enter_context(each) for each in socket.socketpair())
        reactor.connect_tcp(protocol, "", 0, sock=ours)
        peers.append(peer)
    reactor.run_once(0)
    return peers


@contextmanager
def echo_turns(
    protocol: type[FramedProtocol], batch: int = 1, size: int = SIZE, connections: int = CONNECTIONS
) -> Iterator[Callable[[], object]]:
    """Yield what sends a batch to every connection, makes a turn, and takes the answers."""
    request, answer = FRAMING.encode_many([bytes(size)] * batch), bytearray(1 << 20)
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        peers = peers_of(reactor, protocol, connections, stack)

        def turn() -> None:
            for peer in peers:
                peer.send(request)
            reactor.run_once(0)
            for peer in peers:
                assert peer.recv_into(answer) == len(request)

        yield turn


@contextmanager
def yardstick() -> Iterator[Callable[[], object]]:
    """Yield the least loop that a Python program could write for the same echo, with one message a connection.

    It reads into place: where `recv(1 << 16)` gets its memory from took 3% more or less, by what came before.
    """
    request, unpack = FRAMING.encode(bytes(SIZE)), struct.Struct(">I").unpack_from
    data, answer = bytearray(1 << 16), bytearray(1 << 16)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        peers = []
        for _ in range(CONNECTIONS):
            ours, peer = (stack.enter_context(each) for each in socket.socketpair())
            selector.register(ours, selectors.EVENT_READ)
            peers.append(peer)

        def turn() -> None:
            for peer in peers:
                peer.send(request)
            for key, _ in selector.select(0):
                sock: Any = key.fileobj
                sock.recv_into(data)
                (length,) = unpack(data)
                sock.send(struct.pack(">I", length) + data[4 : 4 + length])
            for peer in peers:
                assert peer.recv_into(answer) == len(request)

        yield turn


def attempt(step: Callable[[Any], int], data: memoryview) -> int:
    """Send or take what goes at once."""
    try:
        return step(data)
    except BlockingIOError:
        return 0


@contextmanager
def large_turns(size: int) -> Iterator[Callable[[], object]]:
    """Yield what sends one large message, makes turns, and takes the answer, each as far as the socket goes along."""
    request, answer = memoryview(FRAMING.encode(bytes(size))), memoryview(bytearray(1 << 20))
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        (peer,) = peers_of(reactor, Messages, 1, stack)
        peer.setblocking(False)

        def turns() -> None:
            sent = taken = 0
            while taken < len(request):
                sent += attempt(peer.send, request[sent:])
                reactor.run_once(0)
                taken += attempt(peer.recv_into, answer)

        yield turns


@contextmanager
def accepting() -> Iterator[Callable[[], object]]:
    """Yield what makes connections, has a message echoed on each, and ends them; turns until each step is through."""
    request, answer = FRAMING.encode(bytes(SIZE)), memoryview(bytearray(1 << 16))
    with Reactor() as reactor:
        server = reactor.listen_tcp(Messages, "127.0.0.1", 0)

        def turns() -> None:
            peers = [socket.socket() for _ in range(ACCEPTED)]
            for peer in peers:
                peer.connect(server.addresses[0])
                peer.send(request)
                peer.setblocking(False)
            for peer in peers:
                while not attempt(peer.recv_into, answer):
                    reactor.run_once(0)
                peer.close()
            while server.connections:
                reactor.run_once(0)

        yield turns


@contextmanager
def idle() -> Iterator[Callable[[], object]]:
    """Yield a turn in which no connection has anything to do."""
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        peers_of(reactor, Messages, CONNECTIONS, stack)
        yield lambda: reactor.run_once(0)


@contextmanager
def decoding() -> Iterator[Callable[[], object]]:
    decoder, chunk = FRAMING.decoder(), FRAMING.encode_many([bytes(SIZE)] * 1000)
    yield lambda: decoder.feed(chunk)


@contextmanager
def encoding() -> Iterator[Callable[[], object]]:
    bodies = [bytes(SIZE)] * 1000
    yield lambda: FRAMING.encode_many(bodies)


@contextmanager
def timers() -> Iterator[Callable[[], object]]:
    """A hundred timers set, and run by one turn."""
    with Reactor(clock=lambda: 0.0) as reactor:

        def turn() -> None:
            for _ in range(100):
                reactor.call_at(0.0, int)
            reactor.run_once(0)

        yield turn


@contextmanager
def calls() -> Iterator[Callable[[], object]]:
    """A hundred calls queued, and run by one turn."""
    with Reactor() as reactor:

        def turn() -> None:
            for _ in range(100):
                reactor.call_soon(int)
            reactor.run_once(0)

        yield turn


class Work:
    """A workload, how many items one round of it has, and how many rounds make a count that start-up doesn't blur."""

    def __init__(self, make: Callable[[], Any], items: int, rounds: int = 50) -> None:
        self.make = make
        self.items = items
        self.rounds = rounds


WORK = {
    "yardstick": Work(yardstick, CONNECTIONS),
    "ping-pong": Work(lambda: echo_turns(Messages), CONNECTIONS),
    "ping-pong, one connection": Work(lambda: echo_turns(Messages, connections=1), 1, 1000),
    "pipelined, a callback a message": Work(lambda: echo_turns(Messages, BATCH), CONNECTIONS * BATCH, 10),
    "pipelined, a callback a read": Work(lambda: echo_turns(Reads, BATCH), CONNECTIONS * BATCH, 10),
    "16 KiB": Work(lambda: echo_turns(Messages, size=16 << 10), CONNECTIONS),
    "1 MiB": Work(lambda: large_turns(1 << 20), 1, 20),
    "accept": Work(accepting, ACCEPTED),
    "idle turn": Work(idle, 1, 1000),
    "decode": Work(decoding, 1000),
    "encode_many": Work(encoding, 1000),
    "call_soon": Work(calls, 100),
    "call_at": Work(timers, 100),
}


def do(name: str, rounds: int) -> None:
    with WORK[name].make() as run:
        gc.collect()
        gc.freeze()  # else a full collection falls into a count now and then, and walks over all that was imported
        for _ in range(rounds):
            run()


def main() -> None:
    for name in sys.argv[1:]:
        for rounds in (FIRST, FIRST + WORK[name].rounds):
            if os.fork() == 0:
                return do(name, rounds)
            _, status = os.wait()
            if status:
                sys.exit(f"{name} failed")


if __name__ == "__main__":
    main()
