"""Session: a TLS filter between the halves of a connection. test_tls.py has the rest; here is what only it knows."""

from __future__ import annotations

import ssl
from typing import Any

from reactor.transport.session import Session

from reactor import ConnectionTimeout, EventLoop
from reactor.transport.deadlines import Deadlines
from reactor.transport.tls import TLSFilter


class Box:
    """An outbox that writes down what it is given."""

    def __init__(self) -> None:
        self.put_in: list[bytes] = []
        self.last: list[bytes] = []
        self.buffer = self
        self.held = 0

    def put(self, chunks: tuple[bytes], size: int) -> None:
        self.put_in += chunks

    def check_high(self) -> None:
        """There is no water here."""

    def send_last(self, data: bytes) -> None:
        self.last.append(data)


class End:
    """One side: a session, its outbox, and what it was told."""

    def __init__(self, loop: EventLoop, filter_: TLSFilter) -> None:
        self.box, self.told = Box(), []
        self.deadlines = Deadlines(loop, self)
        box: Any = self.box
        self.session = Session(filter_, box, self.deadlines, 10, self)

    def timed_out(self, exc: ConnectionTimeout) -> None:
        """No clock runs here."""

    def secured(self, facts: dict[str, Any]) -> None:
        self.told.append(facts["cipher"] is not None)

    def receiving_failed(self, exc: Exception) -> None:
        self.told.append(exc)

    def give(self, other: End) -> bytes:
        """Hand over what waits; return what comes out there."""
        data, self.box.put_in = b"".join(self.box.put_in), []
        return other.session.received(data)


def pair(loop: EventLoop, certs: Any) -> tuple[End, End]:
    client = End(loop, TLSFilter(certs.client(), False, "localhost"))
    server = End(loop, TLSFilter(certs.server(), True, None))
    client.session.begin()
    server.session.begin()
    return client, server


def test_both_are_told_once_and_the_wait_is_over(loop: EventLoop, certs: Any) -> None:
    client, server = pair(loop, certs)
    assert "handshake_timeout" in client.deadlines
    for _ in range(3):
        client.give(server)
        server.give(client)
    assert (client.told, server.told) == ([True], [True])
    assert "handshake_timeout" not in client.deadlines
    assert not client.session.shaking_hands


def test_what_waits_for_the_handshake_is_counted_as_it_is(loop: EventLoop, certs: Any) -> None:
    client, server = pair(loop, certs)
    client.session.send([b"early"])
    assert client.box.held == 5
    assert client.session.size_on_wire(100) == 100
    came = b""
    for _ in range(3):
        came += client.give(server)
        server.give(client)
    assert (came, client.box.held) == (b"early", 0)
    assert client.session.size_on_wire(100) > 100


def test_goodbye_is_said_once_and_where_it_belongs(loop: EventLoop, certs: Any) -> None:
    client, server = pair(loop, certs)
    client.session.end(last=False)
    for _ in range(3):
        client.give(server)
        server.give(client)
    client.session.end(last=False)
    client.session.end(last=False)
    assert len(client.box.put_in) == 1
    client.give(server)
    assert server.session.peer_ended
    server.session.end(last=True)
    assert len(server.box.last) == 1


def test_a_bad_record_is_an_error_with_an_alert_to_send(loop: EventLoop, certs: Any) -> None:
    client, server = pair(loop, certs)
    server.session.received(b"GET / HTTP/1.1\r\n\r\n")
    assert isinstance(server.session.error, ssl.SSLError)
    assert client.session.error is None
