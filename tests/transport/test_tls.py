"""TLS, and its handshake, in memory: who is told of a connection, and who never hears of one."""

from __future__ import annotations

import os
import ssl
from typing import Any

import pytest
from helpers import Recorder
from transport.tls_peer import Certs, EchoBytes, Secure, sock_of, turns, until

from reactor import ConnectionTimeout, Limits
from reactor.testing import ManualClock
from reactor.transport import Connection
from reactor.transport.tls import TLS, Session, size_on_wire

# --- the value and the session


def test_what_would_be_wrong_with_every_handshake_is_said_at_once(certs: Certs) -> None:
    with pytest.raises(ValueError, match="server_hostname is needed"):
        TLS(certs.client(), False)
    with pytest.raises(ValueError, match=r"server_hostname|idna"):
        TLS(certs.client(), False, ".not a name")
    with pytest.raises(ssl.SSLError):
        TLS(certs.client(), True)


class Ends:
    """Two sessions, and nothing between them but the test."""

    def __init__(self, certs: Certs, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        context = certs.client()
        context.maximum_version = version
        self.client, self.server = Session(TLS(context, False, "localhost")), Session(TLS(certs.server(), True))
        self.client.begin()
        self.server.begin()

    def carry(self, sender: Session, receiver: Session) -> int:
        data = sender.outgoing.read()
        receiver.feed(memoryview(data))
        return len(data)

    def shake_hands(self) -> None:
        while not (self.client.secured and self.server.secured):
            self.client.secured = self.client.shake_hands()
            self.carry(self.client, self.server)
            self.server.secured = self.server.shake_hands()
            self.carry(self.server, self.client)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [1, 16_384, 16_385, 100_000])
def test_the_size_on_the_wire_is_never_more_than_was_reckoned(certs: Certs, version: ssl.TLSVersion, size: int) -> None:
    ends = Ends(certs, version)
    ends.shake_hands()
    ends.client.hot.write(bytes(size))
    assert size < ends.carry(ends.client, ends.server) <= size_on_wire(size)


def test_a_record_that_is_not_complete_is_known(certs: Certs) -> None:
    ends = Ends(certs)
    ends.shake_hands()
    ends.client.hot.write(b"hello")
    record, known = ends.client.outgoing.read(), []
    for byte in record:
        known.append(ends.server.in_record)
        ends.server.feed(memoryview(bytes([byte])))
    assert known == [False] + [True] * (len(record) - 1)
    assert not ends.server.in_record


def test_goodbye_is_said_once_and_not_before_the_handshake(certs: Certs) -> None:
    ends = Ends(certs)
    ends.client.goodbye()
    assert not ends.client.outgoing.pending
    ends.shake_hands()
    ends.client.goodbye()
    assert ends.carry(ends.client, ends.server)
    ends.client.goodbye()
    assert not ends.client.outgoing.pending
    assert ends.server.hot.read(1) == b"", "the end"


def test_a_server_makes_nothing_of_openssl_before_the_first_byte(secure: Secure) -> None:
    context, made = secure.certs.server(), list[Any]()
    real = context.wrap_bio

    def counted(*args: Any) -> ssl.SSLObject:
        made.append(args)
        return real(*args)

    context.wrap_bio = counted  # type: ignore[method-assign, assignment]
    connection, peer = secure.server(Recorder(), context=context)
    turns(secure.loop)
    before = len(made)
    peer.put(peer.hello()[:1])
    turns(secure.loop)
    assert len(made) == before + 1
    assert before == 1, "the one by which TLS() is judged"
    assert not connection.made


# --- the handshake


def test_connection_made_comes_on_both_sides_when_the_handshake_is_complete(secure: Secure) -> None:
    seen: list[Any] = []

    class Looks(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            seen.append(transport.get_extra_info("cipher"))

    one, other = Looks(), Looks()
    secure.pair(one, other, shake_hands=False)
    secure.loop.run_once(0)
    assert (one.calls, other.calls) == ([], [])
    turns(secure.loop)
    assert (one.calls, other.calls) == (["made"], ["made"])
    assert None not in seen


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_537, 1 << 20])
def test_data_of_any_size_goes_both_ways(secure: Secure, size: int) -> None:
    one, other, data = Recorder(), EchoBytes(), os.urandom(size)
    left, _ = secure.pair(one, other)
    left.write(data)
    until(secure.loop, lambda: len(one.data) == size)
    assert (one.data, other.data) == (data, data)


def test_one_byte_at_a_time_arrives_whole_and_in_order(secure: Secure) -> None:
    one, other, data = Recorder(), EchoBytes(), os.urandom(300)
    left, right = secure.pair(one, other, shake_hands=False)
    for end in (left, right):
        sock_of(end).read_size = 1
        sock_of(end).send_sizes = [1, 0, 2, 1] * 2000
    until(secure.loop, lambda: left.made and right.made)
    left.write(data)
    until(secure.loop, lambda: len(one.data) == len(data))
    assert (one.data, other.data) == (data, data)
    left.close()
    until(secure.loop, lambda: one.ended and other.ended)
    assert (one.lost, other.lost) == (None, None)


def test_what_is_on_the_wire_is_not_what_was_written(secure: Secure) -> None:
    left, right = secure.pair(Recorder(), Recorder())
    right.pause_reading()
    left.write(b"a secret of some length")
    turns(secure.loop, 2)
    assert len(sock_of(right).incoming) > 23
    assert b"secret" not in sock_of(right).incoming


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_either_version_of_tls_will_do(secure: Secure, version: ssl.TLSVersion) -> None:
    one, other, context = Recorder(), EchoBytes(), secure.certs.client()
    context.minimum_version = context.maximum_version = version
    left, _ = secure.pair(one, other, client_tls=context)
    left.write(b"hello")
    until(secure.loop, lambda: one.data == b"hello")
    left.close()
    until(secure.loop, lambda: other.ended)
    assert (one.lost, other.lost) == (None, None)


def test_the_application_protocol_is_agreed(secure: Secure) -> None:
    client, server = secure.certs.client(), secure.certs.server()
    client.set_alpn_protocols(["newer/2", "older/1"])
    server.set_alpn_protocols(["older/1"])
    left, right = secure.pair(Recorder(), Recorder(), client, server)
    assert left.get_extra_info("ssl_object").selected_alpn_protocol() == "older/1"
    assert right.get_extra_info("ssl_object").selected_alpn_protocol() == "older/1"


def test_the_server_is_told_the_name_that_the_client_wants(secure: Secure) -> None:
    names: list[str | None] = []
    server = secure.certs.server()
    server.sni_callback = lambda _, name, __: names.append(name)
    secure.pair(Recorder(), Recorder(), server_tls=server)
    assert names == ["localhost"]


def test_a_client_that_shows_its_certificate_is_known(secure: Secure) -> None:
    one, other = Recorder(), EchoBytes()
    asks = secure.certs.server(asks_for_certificate=True)
    left, right = secure.pair(one, other, secure.certs.client(shows_certificate=True), asks)
    assert ("commonName", "the client") in [
        fact for facts in right.get_extra_info("peercert")["subject"] for fact in facts
    ]
    left.write(b"hello")
    until(secure.loop, lambda: one.data == b"hello")


def test_a_client_without_the_certificate_it_needs_is_turned_away(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    asks = secure.certs.server(asks_for_certificate=True)
    left, right = secure.pair(one, other, server_tls=asks, shake_hands=False)
    turns(secure.loop)
    assert other.calls == []
    assert (right.made, type(secure.causes[right])) == (False, ssl.SSLError)
    assert isinstance(secure.causes[left], ssl.SSLError), "the alert has arrived"
    assert "certificate required" in str(secure.causes[left]).lower().replace("_", " ")


def test_extra_info_tells_what_asyncio_tells(secure: Secure) -> None:
    context = secure.certs.client()
    left, right = secure.pair(Recorder(), Recorder(), context)
    assert isinstance(left.get_extra_info("ssl_object"), ssl.SSLObject)
    assert left.get_extra_info("sslcontext") is context
    assert ("DNS", "localhost") in left.get_extra_info("peercert")["subjectAltName"]
    assert len(left.get_extra_info("cipher")) == 3
    assert right.get_extra_info("peercert") is None
    assert left.get_extra_info("peername") == ("127.0.0.1", 40002)


# --- handshakes that fail: no connection_made, no connection_lost


def failed(secure: Secure, connection: Connection, protocol: Recorder) -> BaseException | None:
    """Return why there was no connection, and that nobody was told of one."""
    until(secure.loop, lambda: connection in secure.causes)
    turns(secure.loop)
    assert (protocol.calls, connection.made) == ([], False)
    assert sock_of(connection).closed
    assert secure.loop.stats()["timers"] == 0
    return secure.causes[connection]


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"\xff" * 5, b"\x16\x03\x01\x00\x05hello"])
@pytest.mark.parametrize("read_size", [None, 1])
def test_garbage_instead_of_a_hello_is_no_connection(secure: Secure, garbage: bytes, read_size: int | None) -> None:
    server = Recorder()
    connection, peer = secure.server(server)
    sock_of(connection).read_size = read_size
    peer.put(garbage)
    assert isinstance(failed(secure, connection, server), ssl.SSLError)


@pytest.mark.parametrize("part", [0, 1, 5, 100])
def test_an_end_inside_the_hello_is_no_connection(secure: Secure, part: int) -> None:
    server = Recorder()
    connection, peer = secure.server(server)
    if part:
        peer.put(peer.hello()[:part])
    turns(secure.loop)
    peer.cut()
    cause = failed(secure, connection, server)
    assert isinstance(cause, ssl.SSLEOFError)
    assert "in the TLS handshake" in str(cause)


def test_a_reset_inside_the_handshake_is_no_connection(secure: Secure) -> None:
    server = Recorder()
    connection, _ = secure.server(server)
    sock_of(connection).fail_read = ConnectionResetError(104, "Connection reset by peer")
    assert isinstance(failed(secure, connection, server), ConnectionResetError)


def test_a_handshake_has_its_time(secure: Secure, clock: ManualClock) -> None:
    server = Recorder()
    connection, peer = secure.server(server, Limits(handshake_timeout=3))
    for byte in peer.hello()[:29]:  # trickling does not extend it
        peer.put(bytes([byte]))
        clock.advance(0.1)
        turns(secure.loop, 2)
    assert secure.causes == {}
    clock.advance(0.2)
    cause = failed(secure, connection, server)
    assert isinstance(cause, ConnectionTimeout)
    assert "handshake_timeout" in str(cause)
    assert sock_of(connection).was_reset


def test_a_handshake_that_is_complete_has_no_time_left_to_keep(secure: Secure, clock: ManualClock) -> None:
    one, other = Recorder(), Recorder()
    secure.pair(one, other, limits=Limits(handshake_timeout=3))
    clock.advance(10)
    turns(secure.loop)
    assert (one.calls, other.calls) == (["made"], ["made"])


@pytest.mark.parametrize("which", ["expired", "other name", "unknown authority"])
def test_a_bad_certificate_is_no_connection_and_the_server_is_told_so(secure: Secure, which: str) -> None:
    one, other = Recorder(), Recorder()
    left, right = secure.pair(one, other, server_tls=secure.certs.server(which), shake_hands=False)
    assert isinstance(failed(secure, left, one), ssl.SSLCertVerificationError)
    cause = failed(secure, right, other)
    assert isinstance(cause, ssl.SSLError)
    assert "alert" in str(cause).lower()


@pytest.mark.parametrize("ending", ["close", "abort"])
@pytest.mark.parametrize("turns_before", [1, 2])
def test_ending_inside_the_handshake_calls_nothing(secure: Secure, ending: str, turns_before: int) -> None:
    one, other = Recorder(), Recorder()
    left, _ = secure.pair(one, other, shake_hands=False)
    turns(secure.loop, turns_before)
    assert one.calls == []
    getattr(left, ending)()
    getattr(left, ending)()
    assert failed(secure, left, one) is None


def test_writing_inside_the_handshake_is_dropped_and_counted(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, _ = secure.pair(one, other, shake_hands=False)
    left.write(b"too early")
    until(secure.loop, lambda: other.calls)
    left.write(b"in time")
    turns(secure.loop)
    assert (other.data, left.writes_dropped) == (b"in time", 1)


def test_connection_made_comes_first_even_where_the_handshake_meets_the_high_water(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    secure.pair(one, other, capacity=100, limits=Limits(high_water=10, low_water=1))
    turns(secure.loop, 20)
    assert (one.calls[0], other.calls[0]) == ("made", "made")
    for each in (one, other):
        assert each.calls.count("pause") == each.calls.count("resume")


@pytest.mark.parametrize("ending", ["close", "abort"])
def test_ending_inside_connection_made_ends_it(secure: Secure, ending: str) -> None:
    class Ends(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"go away")
            getattr(transport, ending)()

    server = Ends()
    connection, peer = secure.server(server)
    peer.put(peer.last_flight() + peer.sealed(b"hello"))
    turns(secure.loop)
    assert server.calls == ["made", "lost"]
    assert (server.lost, sock_of(connection).was_reset) == (None, ending == "abort")
    if ending == "close":
        assert (peer.take_all(), peer.end) == (b"go away", "eof")
