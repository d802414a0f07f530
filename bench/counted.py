"""Work for bench_counts.py to count: `python counted.py NAME ROUNDS` does it so often and ends.

Everything happens in one thread and in a fixed order: the peers are sockets of the same process, so every run of a
workload executes the same instructions.
"""

from __future__ import annotations

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


class Messages(FramedProtocol):
    """A callback per message."""

    def message_received(self, message: bytes) -> None:
        self.send(message)


class Reads(FramedProtocol):
    """A callback per read."""

    def messages_received(self, messages: Any) -> None:
        self.send_many(messages)


@contextmanager
def echo_turns(
    protocol: type[FramedProtocol], batch: int = 1, size: int = SIZE, connections: int = CONNECTIONS
) -> Iterator[Callable[[], object]]:
    """Yield what sends a batch to every connection, makes a turn, and takes the answers."""
    request, answer = FRAMING.encode_many([bytes(size)] * batch), bytearray(1 << 20)
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        peers = []
        for _ in range(connections):
            ours, peer = (stack.enter_context(each) for each in socket.socketpair())
            reactor.connect_tcp(protocol, "", 0, sock=ours)
            peers.append(peer)

        def turn() -> None:
            for peer in peers:
                peer.send(request)
            reactor.run_once(0)
            for peer in peers:
                assert peer.recv_into(answer) == len(request)

        reactor.run_once(0)
        yield turn


@contextmanager
def yardstick() -> Iterator[Callable[[], object]]:
    """Yield the least loop that a Python program could write for the same echo, with one message a connection."""
    request, unpack = FRAMING.encode(bytes(SIZE)), struct.Struct(">I").unpack_from
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
                data = sock.recv(1 << 16)
                (length,) = unpack(data)
                sock.send(struct.pack(">I", length) + data[4 : 4 + length])
            for peer in peers:
                peer.recv(1 << 16)

        yield turn


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
    """A workload, and how many items one round of it has."""

    def __init__(self, make: Callable[[], Any], items: int) -> None:
        self.make = make
        self.items = items


WORK = {
    "yardstick": Work(yardstick, CONNECTIONS),
    "ping-pong": Work(lambda: echo_turns(Messages), CONNECTIONS),
    "ping-pong, one connection": Work(lambda: echo_turns(Messages, connections=1), 1),
    "pipelined, a callback a message": Work(lambda: echo_turns(Messages, BATCH), CONNECTIONS * BATCH),
    "pipelined, a callback a read": Work(lambda: echo_turns(Reads, BATCH), CONNECTIONS * BATCH),
    "16 KiB": Work(lambda: echo_turns(Messages, size=16 << 10), CONNECTIONS),
    "decode": Work(decoding, 1000),
    "encode_many": Work(encoding, 1000),
    "call_soon": Work(calls, 100),
    "call_at": Work(timers, 100),
}


def main() -> None:
    name, rounds = sys.argv[1], int(sys.argv[2])
    with WORK[name].make() as run:
        for _ in range(rounds):
            run()


if __name__ == "__main__":
    main()
