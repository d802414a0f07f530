"""What a process does that lives on another system: a program that is told which of these, and says whether it went."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from helpers import FrameRecorder, Recorder

from reactor import DatagramProtocol, EventLoop, Limits, Protocol, Reactor
from reactor.testing import ManualClock, MemorySelector, memory_pair

LOCAL = "127.0.0.1"
LARGE = b"large" * 100_000  # more than a socket takes at once


class Echo(FrameRecorder):
    def message_received(self, message: bytes) -> None:
        self.send(message)


class RawEcho(Protocol):
    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class LastWords(Recorder):
    def connection_made(self, transport: Any) -> None:
        transport.write(b"last words")
        transport.close()


class Paused(Recorder):
    transport: Any

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.pause_reading()


class Asking(FrameRecorder):
    """Sends two messages at once, and goes when it has them back."""

    def connection_made(self, transport: Any) -> None:
        self.send(b"small")
        self.send(LARGE)

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if len(self.messages) == 2:
            self.transport.close()


class RawAsking(Recorder):
    """The same with bytes."""

    transport: Any

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.writelines([b"small", LARGE])

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if len(self.data) >= len(b"small" + LARGE):
            self.transport.close()


def framed() -> None:
    client = Asking()
    _meet(Echo, client)
    print(client.messages == [b"small", LARGE])


def raw() -> None:
    client = RawAsking()
    _meet(RawEcho, client)
    print(client.data == b"small" + LARGE)


def tls(ca: str, chain: str) -> None:
    """With certificates that a file has."""
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=ca)
    ours.load_cert_chain(chain)
    client = Asking()
    _meet(Echo, client, (ours, theirs), server_hostname="localhost")
    print(client.messages == [b"small", LARGE])


def unix() -> None:
    with Reactor() as net:
        for door in (net.listen_unix, net.connect_unix):
            try:
                door(Echo, "path")
            except OSError as exc:
                print(exc.strerror)


def reuse_port() -> None:
    with Reactor() as net:
        try:
            net.listen_tcp(Echo, LOCAL, 0, reuse_port=True)
        except OSError as exc:
            print(exc.strerror)


def refused() -> None:
    """Nobody listens."""
    failures: list[str] = []
    with Reactor() as net:
        server = net.listen_tcp(Echo, LOCAL, 0)
        server.close()
        net.connect_tcp(Echo, *server.addresses[0], on_failure=lambda exc: failures.append(type(exc).__name__))
        _turn(net, lambda: failures)
    print(failures)


def last_words() -> None:
    """What a connection that is over has sent is waited for, and the loop goes, though the peer says nothing."""
    server = LastWords()
    with Reactor() as net:
        port = net.listen_tcp(lambda: server, LOCAL, 0).addresses[0][1]
        peer = socket.create_connection((LOCAL, port))
        _turn(net, lambda: server.ended)
    with peer:
        print(peer.recv(100) == b"last words")


def paused() -> None:
    """Who is paused is idle when nothing lies there, and isn't while something does."""
    talking, silent, clock = Paused(), Paused(), ManualClock()
    came = iter([talking, silent])
    with Reactor(clock=clock) as net, ExitStack() as peers:
        server = net.listen_tcp(lambda: next(came), LOCAL, 0, limits=Limits(idle_timeout=1))
        peers.enter_context(socket.create_connection(server.addresses[0])).sendall(b"something")
        peers.enter_context(socket.create_connection(server.addresses[0]))
        _turn(net, lambda: talking.calls and silent.calls)
        for _ in range(3):
            clock.advance(1)
            net.run_once(0)
        print(silent.ended and not talking.ended)


def crowd() -> None:
    """More sockets than select() takes there: who is too much is refused alone, and the others are heard."""
    reports: list[str] = []
    with Reactor() as net, ExitStack() as quiet:
        net.set_exception_handler(lambda loop, context: reports.append(str(context["exception"])))
        server = net.listen_tcp(Echo, LOCAL, 0)
        try:
            while True:
                added = quiet.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                net.add_reader(added, print)
        except OSError as exc:
            print(exc.strerror)
        with socket.create_connection(server.addresses[0]) as refused:
            _turn(net, lambda: reports)
            ended = _end_of(refused) == b""
        print(*reports, ended)
        print(net.stats()["watched"])


def _end_of(peer: socket.socket) -> bytes:
    """Return what comes of a connection that ends, in whatever way."""
    peer.settimeout(20)
    try:
        return peer.recv(1)
    except ConnectionResetError:
        return b""


class DatagramEcho(DatagramProtocol):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


class DatagramAsking(DatagramProtocol):
    def __init__(self) -> None:
        self.came: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        transport.sendto(b"hello")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.append(data)


def datagrams() -> None:
    client = DatagramAsking()
    with Reactor() as net:
        server = net.bind_udp(DatagramEcho, LOCAL, 0)
        net.connect_udp(lambda: client, *server.get_extra_info("sockname"))
        deadline = time.monotonic() + 20
        while not client.came and time.monotonic() < deadline:
            net.run_once(0.05)
    print(client.came == [b"hello"])


def memory() -> None:
    """Two protocols of tests."""
    client = Asking()
    with EventLoop(MemorySelector()) as loop:
        memory_pair(loop, Echo(), client)
        for _ in range(100):
            loop.run_once(0)
    print(client.messages == [b"small", LARGE] and client.ended)


def _meet(server: Callable[[], Any], client: Any, tls: tuple[Any, Any] = (None, None), **named: Any) -> None:
    """Let a client meet a server, until its end."""
    limits = Limits(max_write_buffer=None)
    with Reactor() as net:
        port = net.listen_tcp(server, LOCAL, 0, tls=tls[0], limits=limits).addresses[0][1]
        net.connect_tcp(lambda: client, LOCAL, port, tls=tls[1], limits=limits, **named)
        _turn(net, lambda: client.ended)


def _turn(net: Reactor, until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not until() and time.monotonic() < deadline:
        net.run_once(0.05)


if __name__ == "__main__":
    uses = (framed, raw, tls, unix, reuse_port, refused, datagrams, last_words, paused, crowd, memory)
    {each.__name__: each for each in uses}[sys.argv[1]](*sys.argv[2:])
