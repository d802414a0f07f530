"""A busy server, for what may interrupt it."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from interruption import Interruption

from reactor import FramedProtocol, Limits, Reactor

PATIENCE = 2000  # turns


class Echo(FramedProtocol):
    """Answers, and is written down."""

    made: list[Echo]
    lost: list[BaseException | None]

    def connection_made(self, transport: Any) -> None:
        self.made.append(self)

    def message_received(self, message: bytes) -> None:
        self.send(message)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.append(exc)


class Peer:
    """A client without a loop: sends numbered messages, and holds what comes back against them."""

    def __init__(self, address: Any, context: ssl.SSLContext | None) -> None:
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that answers have to wait
        self._sock.connect(address)
        self._sock.setblocking(False)
        if context is not None:
            self._sock = context.wrap_socket(self._sock, server_hostname="localhost", do_handshake_on_connect=False)
        self.ready = context is None
        self.sent = self.received = self._unsent = b""
        self.ended = False

    def shake_hands(self) -> None:
        if not self.ready:
            with suppress(ssl.SSLWantReadError), self._watching_for_its_end():
                self._sock.do_handshake()  # type: ignore[attr-defined]
                self.ready = True

    @contextmanager
    def _watching_for_its_end(self) -> Iterator[None]:
        try:
            yield
        except (ConnectionError, ssl.SSLEOFError):
            self.ended = True

    def send(self, messages: list[bytes]) -> None:
        data = b"".join(len(each).to_bytes(4, "big") + each for each in messages)
        self.sent += data
        self._unsent += data
        self._send()

    def _send(self) -> None:
        with suppress(BlockingIOError, ssl.SSLWantWriteError), self._watching_for_its_end():
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent[:16384]) :]

    def receive(self) -> None:
        """Take what has come. The server may end us only while we have had nothing of it."""
        with suppress(BlockingIOError, ssl.SSLWantReadError), self._watching_for_its_end():
            self._send()
            while data := self._sock.recv(1 << 16):
                self.received += data
            self.ended = True
        assert self.sent.startswith(self.received), "an answer was lost, came twice or in another order"
        assert not (self.ended and self.received), "a connection was lost"

    @property
    def is_answered(self) -> bool:
        return self.sent == self.received

    def close(self) -> None:
        self._sock.close()


class Busy:
    """A server with a few peers that ask all the while."""

    def __init__(self, contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None, peers: int = 3) -> None:
        kind = type("ThisEcho", (Echo,), {"made": [], "lost": []})
        self.made, self.lost = kind.made, kind.lost
        self.reports: list[dict[str, Any]] = []
        self.net = Reactor()
        self.net.set_exception_handler(lambda _, context: self.reports.append(context))
        server, self._client = contexts or (None, None)
        limits = Limits(idle_timeout=600, frame_timeout=600)
        self.server = self.net.listen_tcp(kind, "127.0.0.1", 0, tls=server, limits=limits)
        self.peers = [self._join() for _ in range(peers)]
        self.ticks = 0
        self.lossy = False  # answers may be lost, and a connection that knows of it may end
        self._number = 0
        self._timer = self.net.call_every(1e-9, self._tick)

    def _tick(self) -> None:
        self.ticks += 1

    def _join(self) -> Peer:
        peer = Peer(self.server.addresses[0], self._client)
        for _ in range(PATIENCE):
            self.net.run_once(0)
            peer.shake_hands()
            if peer.ready:
                return peer
        raise AssertionError("no handshake")

    def ask(self, random: random.Random) -> None:
        """Let every peer ask a few things."""
        for peer in (each for each in self.peers if each.ready):
            self._number += 1
            count = random.choice([1, 1, 3])
            peer.send([b"%d" % self._number * random.choice([1, 1, 5000]) for _ in range(count)])

    def replace_a_peer(self) -> None:
        """Let one go, and another come, that shakes hands while turns are made."""
        self.peers.pop(0).close()
        self.peers.append(Peer(self.server.addresses[0], self._client))

    def flood(self) -> None:
        """Let one peer ask for more than its socket takes at once."""
        for _ in range(20):
            self.peers[-1].send([bytes(30_000)])

    def turn(self, interruption: Interruption, run: Callable[[Reactor], object]) -> None:
        """Make turns with one interruption, whatever comes out."""
        with suppress(KeyboardInterrupt), interruption:
            run(self.net)

    def settle(self, where: str) -> None:
        """See to it that all are answered, that the loop hears, and that time passes."""
        for number in range(PATIENCE):
            self.net.run_once(0)
            for peer in self.peers:
                peer.shake_hands()
                if peer.ready and not self.lossy:
                    peer.receive()
            self._replace_whom_nobody_took()
            if all(peer.ready and peer.is_answered for peer in self.peers):
                break
            if self.lossy and number > 10:
                break
        else:
            raise AssertionError(f"an answer was lost: {where}")
        self._tick_twice(where)

    def _tick_twice(self, where: str) -> None:
        ticks = self.ticks
        self.net.run_once(0)
        self.net.run_once(0)
        assert self.ticks > ticks, f"a timer was lost: {where}"

    def _replace_whom_nobody_took(self) -> None:
        """An exception while somebody is accepted is the end of him alone."""
        for gone in [each for each in self.peers if each.ended]:
            self.peers.remove(gone)
            gone.close()
            self.peers.append(Peer(self.server.addresses[0], self._client))

    def finish(self, where: str) -> None:
        """End it, and see to it that nothing is left."""
        for peer in self.peers:
            peer.close()
        for each in self.made if self.lossy else ():
            self.net.call_soon(each.transport.abort)  # whatever it waits for has been lost
        for _ in range(PATIENCE):
            self.net.run_once(0)
            if len(self.lost) == len(self.made) and not self.net.stats()["connections"]:
                break
        else:
            raise AssertionError(f"a connection was left: {where}")
        self._timer.cancel()
        self.net.call_soon(self.server.close)
        self.net.run_once(0)
        stats = self.net.stats()
        left = {name: stats[name] for name in ("timers", "watched", "ready", "connections", "servers") if stats[name]}
        self.net.close()
        assert not left, f"{left}: {where}"
        assert self.lossy or not self.reports, (where, self.reports)
