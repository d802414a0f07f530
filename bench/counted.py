"""Work for bench_counts.py to count: `python counted.py NAME ...` does each twice, a few rounds and then more.

Each time is in a child of its own: they share the start, which takes longer than the work. Everything happens in one
thread and in a fixed order: the peers are sockets of the same process, so every run of a workload executes the same
instructions. Whatever a turn of the reactor does stands between two calls of getppid(2), which nothing else makes: so
its system calls can be told from the peers'.
"""

from __future__ import annotations

import gc
import os
import selectors
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from race import CERTIFICATE
from reactor_side import Broadcast, Messages, Raw, Reads

from reactor import DatagramProtocol, Framing, Protocol, Reactor

SIZE = 64
FRAMING = Framing()
BATCH = 32
CONNECTIONS = 20
ACCEPTED = 16  # as many as one turn takes
FIRST = 20  # rounds that aren't counted: the interpreter specializes the code, and caches fill


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return TLS for a server and for who trusts any."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(CERTIFICATE)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return server, client


def turn(reactor: Reactor) -> None:
    """Make a turn, and mark its system calls."""
    os.getppid()
    reactor.run_once(0)
    os.getppid()


def attempt(step: Callable[[Any], int], data: memoryview) -> int:
    """Send or take what goes at once."""
    try:
        return step(data)
    except BlockingIOError:
        return 0


def take(reactor: Reactor, peer: socket.socket, count: int, into: bytearray) -> None:
    """Receive so much, with as many turns as that takes."""
    while count > 0:
        try:
            count -= peer.recv_into(into)
        except (BlockingIOError, ssl.SSLWantReadError):
            turn(reactor)


def shake_hands(reactor: Reactor, peer: ssl.SSLSocket) -> None:
    while True:
        try:
            return peer.do_handshake()
        except ssl.SSLWantReadError:
            turn(reactor)


def peers_of(
    reactor: Reactor, protocol: type[Protocol], connections: int, stack: ExitStack, is_tls: bool = False
) -> list[Any]:
    """Connect the reactor so often, and return the other ends."""
    peers: list[Any] = []
    server, client = contexts() if is_tls else (None, None)
    for _ in range(connections):
        ours, peer = (stack.enter_context(each) for each in socket.socketpair())
        peer.setblocking(False)
        reactor.connect_tcp(protocol, "", 0, sock=ours, tls=client, server_hostname="localhost" if client else None)
        if server:
            peer = server.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
            shake_hands(reactor, stack.enter_context(peer))
        peers.append(peer)
    turn(reactor)
    return peers


def exchange_of(
    reactor: Reactor, peers: list[socket.socket], request: bytes, answer: bytearray
) -> Callable[[], object]:
    """Return what sends a request from every peer, makes a turn, and takes the answers."""

    def exchange() -> None:
        for peer in peers:
            peer.send(request)
        turn(reactor)
        for peer in peers:
            take(reactor, peer, len(request), answer)

    return exchange


@contextmanager
def echo_turns(
    protocol: type[Protocol], request: bytes, connections: int = CONNECTIONS, is_tls: bool = False
) -> Iterator[Callable[[], object]]:
    """Yield what sends a request to every connection, makes a turn, and takes the answers."""
    answer = bytearray(1 << 20)
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        peers = peers_of(reactor, protocol, connections, stack, is_tls)

        yield exchange_of(reactor, peers, request, answer)


@contextmanager
def broadcasting() -> Iterator[Callable[[], object]]:
    """Yield what sends one message, of which every connection is sent a copy."""
    request, answer = FRAMING.encode(bytes(SIZE)), bytearray(1 << 16)
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        peers = peers_of(reactor, Broadcast, CONNECTIONS, stack)

        def exchange() -> None:
            peers[0].send(request)
            for peer in peers:
                take(reactor, peer, len(request), answer)

        yield exchange


class DatagramEcho(DatagramProtocol):
    """Sends datagrams back."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


@contextmanager
def datagrams() -> Iterator[Callable[[], object]]:
    """Yield what has every peer send a datagram, makes a turn, and takes the answers.

    Peers have one port and addresses of their own, so that what is remembered of them lies in one place each time.
    """
    request, answer, port = bytes(SIZE), bytearray(1 << 16), 0
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        where = reactor.bind_udp(DatagramEcho, "127.0.0.1", 0).get_extra_info("sockname")
        turn(reactor)
        peers = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(CONNECTIONS)]
        for number, peer in enumerate(peers):
            peer.bind((f"127.0.1.{number + 1}", port))
            peer.connect(where)
            peer.setblocking(False)
            port = peer.getsockname()[1]

        yield exchange_of(reactor, peers, request, answer)


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

        def exchange() -> None:
            for peer in peers:
                peer.send(request)
            os.getppid()
            for key, _ in selector.select(0):
                sock: Any = key.fileobj
                sock.recv_into(data)
                (length,) = unpack(data)
                sock.send(struct.pack(">I", length) + data[4 : 4 + length])
            os.getppid()
            for peer in peers:
                assert peer.recv_into(answer) == len(request)

        yield exchange


@contextmanager
def large_turns(size: int) -> Iterator[Callable[[], object]]:
    """Yield what sends one large message, makes turns, and takes the answer, each as far as the socket goes along."""
    request, answer = memoryview(FRAMING.encode(bytes(size))), memoryview(bytearray(1 << 20))
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        (peer,) = peers_of(reactor, Messages, 1, stack)

        def exchange() -> None:
            sent = taken = 0
            while taken < len(request):
                sent += attempt(peer.send, request[sent:])
                turn(reactor)
                taken += attempt(peer.recv_into, answer)

        yield exchange


@contextmanager
def accepting(at_once: int, is_tls: bool = False) -> Iterator[Callable[[], object]]:
    """Yield what makes connections, has a message echoed on each, and ends them; turns until each step is through."""
    request, answer = FRAMING.encode(bytes(SIZE)), bytearray(1 << 16)
    theirs, mine = contexts() if is_tls else (None, None)
    with Reactor() as reactor:
        server = reactor.listen_tcp(Messages, "127.0.0.1", 0, tls=theirs)

        def dial() -> Any:
            peer: Any = socket.socket()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else the clock tells when a message leaves
            peer.connect(server.addresses[0])
            peer.setblocking(False)
            if mine:
                peer = mine.wrap_socket(peer, do_handshake_on_connect=False)
                shake_hands(reactor, peer)
            peer.send(request)
            return peer

        def exchange() -> None:
            for peer in [dial() for _ in range(at_once)]:
                take(reactor, peer, len(request), answer)
                peer.close()
            while server.connections:
                turn(reactor)

        yield exchange


@contextmanager
def idle() -> Iterator[Callable[[], object]]:
    """Yield a turn in which no connection has anything to do."""
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        peers_of(reactor, Messages, CONNECTIONS, stack)
        yield lambda: turn(reactor)


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

        def run() -> None:
            for _ in range(100):
                reactor.call_at(0.0, int)
            turn(reactor)

        yield run


@contextmanager
def calls() -> Iterator[Callable[[], object]]:
    """A hundred calls queued, and run by one turn."""
    with Reactor() as reactor:

        def run() -> None:
            for _ in range(100):
                reactor.call_soon(int)
            turn(reactor)

        yield run


class Work:
    """A workload, how many items one round of it has, and how many rounds make a count that start-up doesn't blur."""

    def __init__(self, make: Callable[[], Any], items: int, rounds: int = 50) -> None:
        self.make = make
        self.items = items
        self.rounds = rounds


def echo(
    protocol: type[Protocol], request: bytes, messages: int = 1, rounds: int = 50, connections: int = CONNECTIONS
) -> Work:
    return Work(lambda: echo_turns(protocol, request, connections), connections * messages, rounds)


def tls_echo(request: bytes, messages: int = 1, rounds: int = 50, connections: int = 4) -> Work:
    """Few connections, since valgrind takes its time for ciphers."""
    return Work(lambda: echo_turns(Messages, request, connections, is_tls=True), connections * messages, rounds)


SMALL, LARGE = FRAMING.encode(bytes(SIZE)), FRAMING.encode(bytes(16 << 10))

WORK = {
    "yardstick": Work(yardstick, CONNECTIONS),
    "ping-pong": echo(Messages, SMALL),
    "ping-pong, one connection": echo(Messages, SMALL, rounds=1000, connections=1),
    "pipelined, a callback a message": echo(Messages, SMALL * BATCH, BATCH, 10),
    "pipelined, a callback a read": echo(Reads, SMALL * BATCH, BATCH, 10),
    "16 KiB": echo(Messages, LARGE),
    "1 MiB": Work(lambda: large_turns(1 << 20), 1, 20),
    "raw, 64 B": echo(Raw, bytes(SIZE)),
    "raw, 16 KiB": echo(Raw, bytes(16 << 10)),
    "TLS, ping-pong": tls_echo(SMALL),
    "TLS, pipelined, a callback a message": tls_echo(SMALL * BATCH, BATCH, 10),
    "TLS, 16 KiB": tls_echo(LARGE),
    "broadcast": Work(broadcasting, CONNECTIONS),
    "datagrams": Work(datagrams, CONNECTIONS),
    "accept": Work(lambda: accepting(ACCEPTED), ACCEPTED),
    "accept, TLS": Work(lambda: accepting(1, is_tls=True), 1, 20),
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
