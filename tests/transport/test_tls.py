"""TLS: in memory first, where a test holds every byte; then over real sockets, with Python's own client."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from helpers import FrameRecorder, Recorder, run_until

from reactor import ConnectionTimeout, EventLoop, FramedProtocol, Framing, Limits, Reactor, WriteBufferFull
from reactor.testing import ManualClock, MemorySocket, memory_pair, memory_sockets
from reactor.transport import Connection, sockets
from reactor.transport.tls import TLS

LOCAL = "127.0.0.1"
Certs = Any  # the class is conftest's
Pair = tuple[Connection, Connection]


def turns(loop: EventLoop, count: int = 8) -> None:
    for _ in range(count):
        loop.run_once(0)


def until(loop: EventLoop, condition: Callable[[], Any]) -> None:
    """Make turns in memory until the condition holds."""
    for _ in range(20_000):
        if condition():
            return
        loop.run_once(0)
    raise AssertionError(f"{condition} never held")


def sock_of(connection: Connection) -> MemorySocket:
    return connection.get_extra_info("socket")


class ByHand:
    """A TLS client without a transport: the test decides when its bytes go, and which."""

    def __init__(self, context: ssl.SSLContext, sock: MemorySocket) -> None:
        self.filter, self.sock, self.plain = TLS(context, False, "localhost"), sock, b""
        self.filter.start()

    def encrypt(self, data: bytes) -> bytes:
        self.filter.send([data])
        return self.filter.take_outgoing()

    def send(self) -> None:
        self.sock.send(self.filter.take_outgoing())

    def receive(self) -> None:
        data, self.sock.incoming[:] = bytes(self.sock.incoming), b""
        self.plain += self.filter.receive(data)

    def shake_hands(self, loop: EventLoop) -> None:
        """Go as far as the last flight, which is left to be sent."""
        while not self.filter.secured:
            self.send()
            turns(loop, 2)
            self.receive()


class Secure:
    """Connections under TLS, in memory, and how each ended."""

    def __init__(self, loop: EventLoop, certs: Certs) -> None:
        self.loop, self.certs = loop, certs
        self.causes: dict[Connection, BaseException | None] = {}
        self.open: list[Connection] = []

    def pair(
        self,
        client: Any,
        server: Any,
        client_tls: ssl.SSLContext | None = None,
        server_tls: ssl.SSLContext | None = None,
        hostname: str = "localhost",
        shake_hands: bool = True,
        **options: Any,
    ) -> Pair:
        ours = TLS(client_tls or self.certs.client(), False, hostname)
        theirs = TLS(server_tls or self.certs.server(), True, None)
        left, right = memory_pair(self.loop, client, server, tls=(ours, theirs), **options)
        self.keep(left, right)
        if shake_hands:
            until(self.loop, lambda: left.made and right.made)
        return left, right

    def keep(self, *connections: Connection) -> None:
        """Note how they end, and end them after the test."""
        for each in connections:
            self.open.append(each)
            each._on_end = self._noting(each._on_end)

    def _noting(self, on_end: Any) -> Any:
        def ended(connection: Connection, cause: BaseException | None, sock: Any) -> None:
            assert connection not in self.causes, "on_end came twice"
            self.causes[connection] = cause
            on_end(connection, cause, sock)

        return ended

    def server(self, protocol: Any, limits: Limits | None = None, context: Any = None) -> tuple[Connection, ByHand]:
        """Return a server's connection, and the client by hand at its other end."""
        sock, other = memory_sockets()
        filter_ = TLS(context or self.certs.server(), True, None)

        def on_end(connection: Connection, cause: BaseException | None, sock: Any) -> None:
            sockets.close(sock, connection.reset)

        memory = memoryview(bytearray(1 << 18))
        end: Any = sock
        connection = Connection(self.loop, end, protocol, limits or Limits(), memory, "memory", on_end, filter_)
        self.keep(connection)
        connection.start()
        return connection, ByHand(self.certs.client(), other)


@pytest.fixture
def secure(loop: EventLoop, certs: Certs) -> Iterator[Secure]:
    made = Secure(loop, certs)
    yield made
    for each in made.open:
        each.abort()
    turns(loop)


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


class EchoBytes(Recorder):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


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
    assert left.get_extra_info("peername") == "memory"


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
    peer.sock.send(garbage)
    assert isinstance(failed(secure, connection, server), ssl.SSLError)


@pytest.mark.parametrize("part", [0, 1, 5, 100])
def test_an_end_inside_the_hello_is_no_connection(secure: Secure, part: int) -> None:
    server = Recorder()
    connection, peer = secure.server(server)
    if part:
        peer.sock.send(peer.filter.take_outgoing()[:part])
    turns(secure.loop)
    peer.sock.shutdown(socket.SHUT_WR)
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
    for byte in peer.filter.take_outgoing()[:29]:  # trickling does not extend it
        peer.sock.send(bytes([byte]))
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
    peer.shake_hands(secure.loop)
    peer.sock.send(peer.filter.take_outgoing() + peer.encrypt(b"hello"))
    turns(secure.loop)
    assert server.calls == ["made", "lost"]
    assert (server.lost, sock_of(connection).was_reset) == (None, ending == "abort")
    if ending == "close":
        peer.receive()
        assert (peer.plain, peer.filter.peer_ended) == (b"go away", True)


# --- ends


def test_a_close_is_a_clean_end_for_both(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, _ = secure.pair(one, other)
    left.write(b"bye")
    left.close()
    until(secure.loop, lambda: one.ended and other.ended)
    assert one.calls == ["made", "lost"]
    assert other.calls == ["made", "data", "eof", "lost"]
    assert (one.lost, other.lost, other.data) == (None, None, b"bye")


def test_close_says_goodbye_after_what_waits(secure: Secure) -> None:
    other, data = Recorder(), os.urandom(100_000)
    left, _ = secure.pair(Recorder(), other, capacity=1000)
    left.write(data)
    left.close()
    until(secure.loop, lambda: other.ended)
    assert (other.data, other.lost) == (data, None)


def test_closing_on_both_sides_at_once_is_a_clean_end(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, right = secure.pair(one, other)
    left.close()
    right.close()
    until(secure.loop, lambda: one.ended and other.ended)
    assert (one.lost, other.lost) == (None, None)


def test_an_end_without_goodbye_is_told_apart_behind_all_data(secure: Secure) -> None:
    server = Recorder()
    _, peer = secure.server(server)
    peer.shake_hands(secure.loop)
    peer.sock.send(peer.filter.take_outgoing() + peer.encrypt(b"all that came"))
    peer.sock.shutdown(socket.SHUT_WR)
    until(secure.loop, lambda: server.ended)
    assert server.calls == ["made", "data", "lost"]
    assert server.data == b"all that came"
    assert isinstance(server.lost, ssl.SSLEOFError)
    assert "may be cut off" in str(server.lost)


def test_an_end_inside_a_record_is_told_apart(secure: Secure) -> None:
    server = Recorder()
    _, peer = secure.server(server)
    peer.shake_hands(secure.loop)
    peer.sock.send(peer.filter.take_outgoing() + peer.encrypt(b"cut off")[:-1])
    peer.sock.shutdown(socket.SHUT_WR)
    until(secure.loop, lambda: server.ended)
    assert isinstance(server.lost, ssl.SSLEOFError)
    assert server.data == b""


def test_a_goodbye_in_the_same_read_as_data_comes_after_it(secure: Secure) -> None:
    server = Recorder()
    _, peer = secure.server(server)
    peer.shake_hands(secure.loop)
    data = peer.encrypt(b"last words")
    peer.filter.end()
    peer.sock.send(data + peer.filter.take_outgoing())
    until(secure.loop, lambda: server.ended)
    assert server.calls == ["made", "data", "eof", "lost"]
    assert (server.data, server.lost) == (b"last words", None)


@pytest.mark.parametrize("read_size", [None, 1])
def test_data_in_front_of_a_bad_record_is_delivered_however_it_was_cut(secure: Secure, read_size: int | None) -> None:
    server = Recorder()
    connection, peer = secure.server(server)
    peer.shake_hands(secure.loop)
    peer.send()
    turns(secure.loop)
    sock_of(connection).read_size = read_size
    good, bad = peer.encrypt(b"good"), bytearray(peer.encrypt(b"bad"))
    bad[-1] ^= 1
    peer.sock.send(good + bytes(bad))
    until(secure.loop, lambda: server.ended)
    assert isinstance(server.lost, ssl.SSLError)
    assert server.data == b"good"


def test_half_open_is_impossible(secure: Secure) -> None:
    class KeepsOpen(Recorder):
        def eof_received(self) -> bool:
            super().eof_received()
            return True

    one, other = Recorder(), KeepsOpen()
    left, right = secure.pair(one, other)
    assert (left.can_write_eof(), right.can_write_eof()) == (False, False)
    with pytest.raises(RuntimeError, match="TLS"):
        left.write_eof()
    left.close()
    until(secure.loop, lambda: other.ended)
    assert other.calls == ["made", "eof", "lost"]


def test_a_close_that_nobody_takes_is_bounded(secure: Secure, clock: ManualClock) -> None:
    one = Recorder()
    left, right = secure.pair(one, Recorder(), capacity=5000)
    right.pause_reading()
    left.write(bytes(10_000))
    left.close(timeout=2)
    turns(secure.loop)
    assert not one.ended
    clock.advance(2)
    turns(secure.loop)
    assert "close_timeout" in str(one.lost)


def test_abort_resets_and_says_no_goodbye(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, _ = secure.pair(one, other)
    left.abort()
    turns(secure.loop)
    assert sock_of(left).was_reset
    assert (one.lost, type(other.lost)) == (None, ConnectionResetError)


def test_the_end_while_paused_comes_after_resume_and_never_from_inside_it(secure: Secure) -> None:
    server = Recorder()
    connection, peer = secure.server(server)
    peer.shake_hands(secure.loop)
    data = peer.filter.take_outgoing() + peer.encrypt(b"data")
    peer.filter.end()

    class Pauses(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    server = Pauses()
    connection.set_protocol(server)
    peer.sock.send(data + peer.filter.take_outgoing())
    turns(secure.loop)
    assert server.calls == ["made", "data"]
    connection.resume_reading()
    assert server.calls == ["made", "data"]
    turns(secure.loop)
    assert server.calls == ["made", "data", "eof", "lost"]
    assert server.lost is None


def test_the_end_waits_behind_data_that_is_not_delivered_yet(secure: Secure) -> None:
    class PausesFirst(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    server = PausesFirst()
    connection, peer = secure.server(server)
    peer.shake_hands(secure.loop)
    data = peer.filter.take_outgoing() + peer.encrypt(b"in the same flight")
    peer.filter.end()
    peer.sock.send(data + peer.filter.take_outgoing())
    turns(secure.loop)
    assert server.calls == ["made"], "a pause in connection_made holds"
    connection.resume_reading()
    assert server.calls == ["made"], "never from inside resume_reading()"
    turns(secure.loop)
    assert server.calls == ["made", "data", "eof", "lost"]
    assert server.data == b"in the same flight"


def test_data_in_the_same_flight_as_the_handshake_is_delivered(secure: Secure) -> None:
    server = Recorder()
    _, peer = secure.server(server)
    peer.shake_hands(secure.loop)
    peer.sock.send(peer.filter.take_outgoing() + peer.encrypt(b"early"))
    turns(secure.loop, 2)
    assert server.calls == ["made", "data"]


# --- messages

FRAMES = [bytes([index]) * index for index in range(8)]


@pytest.mark.parametrize("read_size", [None, 1, 7])
def test_messages_go_under_tls_as_in_the_open(secure: Secure, twin: ModuleType, read_size: int | None) -> None:
    one, other = FrameRecorder(), FrameRecorder()
    _, right = secure.pair(one, other)
    sock_of(right).read_size = read_size
    one.send_many(FRAMES)
    one.send(bytes(300_000) if read_size is None else b"last")
    until(secure.loop, lambda: len(other.messages) == len(FRAMES) + 1)
    assert other.messages[: len(FRAMES)] == FRAMES


@pytest.mark.parametrize("index", range(len(FRAMES)))
def test_pausing_inside_a_message_loses_nothing(secure: Secure, twin: ModuleType, index: int) -> None:
    class Pauses(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            if len(self.messages) == index + 1:
                self.transport.pause_reading()

    one, other = FrameRecorder(), Pauses()
    left, right = secure.pair(one, other)
    one.send_many(FRAMES)
    turns(secure.loop)
    assert other.messages == FRAMES[: index + 1]
    left.close()
    turns(secure.loop)
    right.resume_reading()
    assert other.messages == FRAMES[: index + 1]
    turns(secure.loop)
    assert other.messages == FRAMES
    assert (other.ended, other.lost) == (True, None)


def test_the_next_protocol_gets_what_this_one_was_not_given(secure: Secure, twin: ModuleType) -> None:
    last = FrameRecorder()

    class Hands(FrameRecorder):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            self.transport.set_protocol(last)

    one, first = FrameRecorder(), Hands()
    secure.pair(one, first)
    one.send_many(FRAMES)
    turns(secure.loop)
    assert (first.messages, last.messages) == (FRAMES[:1], FRAMES[1:])


# --- bounds


def test_pause_and_resume_alternate_at_the_water_marks(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, right = secure.pair(one, other, capacity=5000, limits=Limits(high_water=20_000, low_water=5000))
    right.pause_reading()
    left.write(bytes(20_000))
    turns(secure.loop)
    assert one.calls == ["made"]
    left.write(bytes(10_000))
    assert one.calls == ["made", "pause"], "from inside write()"
    assert left.get_write_buffer_size() > 20_000
    right.resume_reading()
    until(secure.loop, lambda: len(other.data) == 30_000)
    assert one.calls == ["made", "pause", "resume"]


@pytest.mark.parametrize("overflow", ["raise", "drop"])
def test_a_write_over_the_cap_leaves_the_stream_whole(secure: Secure, twin: ModuleType, overflow: Any) -> None:
    one, other = FrameRecorder(), FrameRecorder()
    limits = Limits(max_write_buffer=10_000, overflow=overflow)
    left, right = secure.pair(one, other, capacity=2000, limits=limits)
    right.pause_reading()
    sent = 0
    for index in range(20):
        dropped = left.writes_dropped
        try:
            one.send(bytes([index]) * 1000)
        except WriteBufferFull:
            assert overflow == "raise"
        else:
            sent += left.writes_dropped == dropped
        turns(secure.loop, 2)
        assert left.get_write_buffer_size() <= 10_000 + 100, "but for TLS's own bytes"
    assert 8 < sent < 15
    right.resume_reading()
    until(secure.loop, lambda: len(other.messages) == sent)
    one.send(b"later")
    until(secure.loop, lambda: other.messages[-1] == b"later")
    assert other.messages[:-1] == [bytes([index]) * 1000 for index in range(sent)]


def test_a_write_over_the_cap_can_abort(secure: Secure) -> None:
    one = Recorder()
    left, _ = secure.pair(one, Recorder(), limits=Limits(max_write_buffer=1000), capacity=100_000)
    left.write(bytes(1001))
    turns(secure.loop)
    assert isinstance(one.lost, WriteBufferFull)


def test_an_empty_write_sends_no_record(secure: Secure) -> None:
    left, right = secure.pair(Recorder(), Recorder())
    turns(secure.loop)
    right.pause_reading()
    left.write(b"")
    left.writelines([b"", b""])
    turns(secure.loop)
    assert sock_of(right).incoming == b""


# --- start_tls


class Line(Recorder):
    """Goes to TLS when the line says so; what came behind the line is the beginning of the handshake."""

    context: ssl.SSLContext
    answer = b"plain go-ahead\n"
    done = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        line, newline, rest = data.partition(b"\n")
        if line == b"STARTTLS" and newline:
            self.transport.write(self.answer)
            self.transport.start_tls(self.context, server_side=True, initial=rest, on_done=self.secured)
            self.transport.write(b"written behind the switch")

    def secured(self) -> None:
        self.done += 1
        self.calls.append("secured")


def plain_pair(secure: Secure, client: Any, server: Any, **options: Any) -> Pair:
    left, right = memory_pair(secure.loop, client, server, **options)
    secure.keep(left, right)
    turns(secure.loop, 1)
    return left, right


def test_what_was_written_before_start_tls_leaves_plain_and_what_comes_after_does_not(secure: Secure) -> None:
    one, server = Recorder(), Line()
    server.context = secure.certs.server()
    left, _ = plain_pair(secure, one, server)
    left.write(b"STARTTLS\n")
    until(secure.loop, lambda: one.data == b"plain go-ahead\n")
    turns(secure.loop)
    assert one.data == b"plain go-ahead\n", "the rest waits for the handshake"
    done: list[str] = []
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append("done"))
    left.write(b"hello")
    assert done == []
    until(secure.loop, lambda: one.data.endswith(b"written behind the switch"))
    turns(secure.loop)
    assert (server.data, server.done, done) == (b"STARTTLS\nhello", 1, ["done"])
    assert left.get_extra_info("cipher") is not None
    left.close()
    until(secure.loop, lambda: one.ended and server.ended)
    assert (one.lost, server.lost) == (None, None)
    assert server.calls.count("made") == 1


@pytest.mark.parametrize("client_first", [True, False])
def test_either_side_may_begin(secure: Secure, client_first: bool) -> None:
    one, other, done = Recorder(), Recorder(), []
    left, right = plain_pair(secure, one, other)
    right.pause_reading()

    def client() -> None:
        left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append("client"))

    def server() -> None:
        right.start_tls(secure.certs.server(), server_side=True, on_done=lambda: done.append("server"))

    for begin in [client, server] if client_first else [server, client]:
        begin()
        turns(secure.loop)
    right.resume_reading()
    left.write(b"there")
    right.write(b"and back")
    turns(secure.loop)
    assert (other.data, one.data, sorted(done)) == (b"there", b"and back", ["client", "server"])


def test_a_handshake_goes_on_while_reading_is_paused_and_data_does_not(secure: Secure) -> None:
    one, other, done = Recorder(), Recorder(), []
    left, right = plain_pair(secure, one, other)
    right.pause_reading()
    right.start_tls(secure.certs.server(), server_side=True, on_done=lambda: done.append("server"))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    left.write(b"data")
    turns(secure.loop)
    assert (done, other.data) == (["server"], b"")
    right.resume_reading()
    turns(secure.loop)
    assert other.data == b"data"


class Messages(FrameRecorder):
    """Goes to TLS at the first message."""

    context: ssl.SSLContext
    options: dict[str, Any]

    def message_received(self, message: bytes) -> None:
        super().message_received(message)
        if len(self.messages) == 1:
            self.transport.start_tls(self.context, server_side=True, **self.options)


class MessagesAsList(Messages):
    def messages_received(self, messages: Any) -> None:
        assert type(messages) is list
        super().messages_received(messages)


BOTH_WAYS = pytest.mark.parametrize("kind", [Messages, MessagesAsList])


def messages(secure: Secure, kind: type[Messages], **options: Any) -> Messages:
    server = kind()
    server.context, server.options = secure.certs.server(), options
    return server


@BOTH_WAYS
@pytest.mark.parametrize("behind", [Framing().encode(b"injected"), Framing().encode(b"injected")[:6], b"\0"])
def test_bytes_behind_the_switch_are_refused(
    secure: Secure, twin: ModuleType, kind: type[Messages], behind: bytes
) -> None:
    server = messages(secure, kind)
    left, _ = plain_pair(secure, Recorder(), server)
    left.write(Framing().encode(b"go") + behind)
    turns(secure.loop)
    assert server.messages == [b"go"]
    assert type(server.lost) is ssl.SSLError
    assert f"{len(behind)} plain bytes came behind the switch" in str(server.lost)


class HelloInFront(Recorder):
    """Sends a message and its ClientHello at once, as nobody should."""

    context: ssl.SSLContext

    def connection_made(self, transport: Any) -> None:
        transport.write(Framing().encode(b"go"))
        transport.start_tls(self.context, server_hostname="localhost")
        transport.write(Framing().encode_many([b"after", b"more"]))


def test_bytes_behind_the_switch_are_the_handshake_where_that_is_said(secure: Secure, twin: ModuleType) -> None:
    client, server = HelloInFront(), messages(secure, Messages, initial=b"")
    client.context = secure.certs.client()
    plain_pair(secure, client, server)
    turns(secure.loop)
    assert server.messages == [b"go", b"after", b"more"]


def test_bytes_that_the_protocol_took_can_be_given_back(secure: Secure) -> None:
    client, server = Recorder(), Line()
    server.context, server.answer = secure.certs.server(), b""
    left, _ = plain_pair(secure, client, server)
    left.write(b"STARTTLS\n")
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    left.write(b"hello")
    turns(secure.loop)
    assert server.done == 1
    assert server.data.endswith(b"hello")
    assert client.data == b"written behind the switch"


class Buffered:
    """asyncio's BufferedProtocol with a buffer of two bytes, which goes to TLS at once."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context, self.buffer, self.data = context, bytearray(2), b""
        self.lost: Any = "not yet"

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]
        if len(self.data) == 2:
            self.transport.start_tls(self.context, server_side=True)

    def eof_received(self) -> None:
        pass

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = exc


def test_bytes_behind_the_switch_are_refused_for_a_buffered_protocol_too(secure: Secure) -> None:
    server = Buffered(secure.certs.server())
    left, _ = plain_pair(secure, Recorder(), server)
    left.write(b"goinjected")
    turns(secure.loop)
    assert server.data == b"go"
    assert type(server.lost) is ssl.SSLError


def test_start_tls_twice_or_on_a_closing_connection_is_an_error(secure: Secure) -> None:
    left, right = plain_pair(secure, Recorder(), Recorder())
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    with pytest.raises(RuntimeError, match="start_tls"):
        left.start_tls(secure.certs.client(), server_hostname="localhost")
    right.close()
    with pytest.raises(RuntimeError, match="start_tls"):
        right.start_tls(secure.certs.server(), server_side=True)


@pytest.mark.parametrize("hostname", [None, ".not a name"])
def test_a_start_tls_that_cannot_begin_raises_and_changes_nothing(secure: Secure, hostname: str | None) -> None:
    one, other = Recorder(), Recorder()
    left, right = plain_pair(secure, one, other)
    right.pause_reading()
    left.write(b"hello")
    turns(secure.loop)
    with pytest.raises(ValueError, match=r"server_hostname|idna"):
        left.start_tls(secure.certs.client(), server_hostname=hostname)
    left.write(b", still plain")
    right.resume_reading()
    turns(secure.loop)
    assert other.data == b"hello, still plain"


def test_a_handshake_in_the_middle_that_fails_is_told_by_connection_lost(secure: Secure) -> None:
    one, other, done = Recorder(), Recorder(), []
    left, right = plain_pair(secure, one, other)
    right.start_tls(secure.certs.server("expired"), server_side=True, on_done=lambda: done.append("server"))
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append("client"))
    left.write(b"never sent")
    turns(secure.loop)
    assert isinstance(one.lost, ssl.SSLCertVerificationError)
    assert isinstance(other.lost, ssl.SSLError)
    assert (other.data, done) == (b"", [])


def test_a_handshake_in_the_middle_has_its_time(secure: Secure, clock: ManualClock) -> None:
    one = Recorder()
    left, _ = plain_pair(secure, one, Recorder(), limits=Limits(handshake_timeout=3))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    turns(secure.loop)
    clock.advance(3)
    turns(secure.loop)
    assert "handshake_timeout" in str(one.lost)


def test_abort_inside_a_handshake_in_the_middle_is_an_end(secure: Secure) -> None:
    one, done = Recorder(), []
    left, _ = plain_pair(secure, one, Recorder())
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append(1))
    left.write(b"never sent")
    left.abort()
    turns(secure.loop)
    assert (one.calls, one.lost, done) == (["made", "lost"], None, [])


def test_close_inside_a_handshake_in_the_middle_still_sends_what_waits(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, right = plain_pair(secure, one, other)
    right.start_tls(secure.certs.server(), server_side=True)
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    left.write(b"waits for the handshake")
    assert left.get_write_buffer_size() >= 23
    left.close()
    until(secure.loop, lambda: one.ended and other.ended)
    assert other.data == b"waits for the handshake"
    assert (one.lost, other.lost) == (None, None)


def test_on_done_does_not_come_after_close(secure: Secure) -> None:
    one, done = Recorder(), []
    left, right = plain_pair(secure, one, Recorder(), capacity=2000)
    left.write(bytes(5000))
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=lambda: done.append(1))
    left.close()
    turns(secure.loop, 3)
    right.start_tls(secure.certs.server(), server_side=True, initial=b"")
    turns(secure.loop)
    assert done == []


def test_writes_that_wait_for_the_handshake_meet_the_high_water(secure: Secure) -> None:
    one, other = Recorder(), Recorder()
    left, right = plain_pair(secure, one, other, limits=Limits(high_water=1000, low_water=100))
    right.pause_reading()  # or it would take the ClientHello for data
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    turns(secure.loop, 1)
    left.write(bytes(1500))
    assert one.calls == ["made", "pause"], "from inside write()"
    right.start_tls(secure.certs.server(), server_side=True, initial=b"")
    turns(secure.loop)
    assert one.calls == ["made", "pause", "resume"]


def test_writes_that_wait_for_the_handshake_meet_the_cap(secure: Secure) -> None:
    left, _ = plain_pair(secure, Recorder(), Recorder(), limits=Limits(max_write_buffer=5000, overflow="raise"))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    turns(secure.loop, 1)
    left.write(bytes(3000))
    with pytest.raises(WriteBufferFull):
        left.write(bytes(3000))
    assert left.get_write_buffer_size() == 3000


def test_a_frame_that_turned_out_to_be_a_handshake_is_not_waited_for(secure: Secure, clock: ManualClock) -> None:
    class Large(FrameRecorder):
        framing = Framing(max_frame_length=1 << 30)  # as large as a ClientHello's first bytes would have it

    server = Large()
    left, right = plain_pair(secure, Recorder(), server, limits=Limits(frame_timeout=5))
    left.start_tls(secure.certs.client(), server_hostname="localhost")
    turns(secure.loop, 2)
    right.start_tls(secure.certs.server(), server_side=True, initial=b"")
    turns(secure.loop)
    assert right.get_extra_info("cipher") is not None
    clock.advance(6)
    turns(secure.loop)
    assert server.lost is None
    left.write(Framing().encode(b"hello"))
    turns(secure.loop)
    assert server.messages == [b"hello"]


def test_an_exception_in_on_done_ends_that_connection(secure: Secure) -> None:
    reports: list[dict[str, Any]] = []
    secure.loop.set_exception_handler(lambda _, context: reports.append(context))

    def fail() -> None:
        raise ValueError("done")

    one = Recorder()
    left, right = plain_pair(secure, one, Recorder())
    right.start_tls(secure.certs.server(), server_side=True)
    left.start_tls(secure.certs.client(), server_hostname="localhost", on_done=fail)
    turns(secure.loop)
    assert [str(each["exception"]) for each in reports] == ["done"]
    assert str(one.lost) == "done"


# --- over real sockets


class Echo(FramedProtocol):
    def message_received(self, message: bytes) -> None:
        self.send(message)


def python_client(context: ssl.SSLContext, port: int, body: bytes) -> bytes:
    """Send a message, with Python's blocking client; return the answer, after a clean end."""
    with (
        socket.create_connection((LOCAL, port), timeout=20) as sock,
        context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False) as tls,
    ):
        tls.sendall(Framing().encode(body))
        answer = b""
        while len(answer) < len(body) + 4:
            answer += tls.recv(1 << 16)
        tls.unwrap()
        return answer[4:]


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_pythons_own_client_is_served(net: Reactor, certs: Certs, size: int) -> None:
    server, body = net.listen_tcp(Echo, LOCAL, 0, tls=certs.server()), os.urandom(size)
    answer = net.run_in_thread(python_client, certs.client(), server.addresses[0][1], body)
    run_until(net, answer.done)
    assert answer.result() == body
    run_until(net, lambda: not server.connections)
    assert net.stats()["handshake_failures"] == 0


def serve_tls(net: Reactor, certs: Certs, **options: Any) -> Any:
    return net.listen_tcp(Echo, LOCAL, 0, tls=certs.server(**options))


def other_client_is_served(net: Reactor, server: Any, certs: Certs, trusting: Any = None) -> None:
    client = FrameRecorder()
    net.connect_tcp(
        lambda: client, LOCAL, server.addresses[0][1], tls=trusting or certs.client(), server_hostname="localhost"
    )
    run_until(net, lambda: client.made)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])
    client.transport.close()
    run_until(net, lambda: client.ended and not server.connections)
    assert client.lost is None


def test_our_client_is_served_and_checks_the_host_it_was_given(net: Reactor, certs: Certs) -> None:
    server, client = serve_tls(net, certs), FrameRecorder()
    net.connect_tcp(lambda: client, "localhost", server.addresses[0][1], tls=certs.client())
    run_until(net, lambda: client.made)
    client.send(bytes(1 << 20))
    run_until(net, lambda: client.messages)
    assert client.messages == [bytes(1 << 20)]


@pytest.mark.parametrize("which", ["expired", "other name", "unknown authority"])
def test_a_certificate_that_is_not_good_is_one_failure_and_the_server_goes_on(
    net: Reactor, certs: Certs, which: str
) -> None:
    server, client, failures = serve_tls(net, certs, which=which), FrameRecorder(), []
    net.connect_tcp(lambda: client, "localhost", server.addresses[0][1], tls=certs.client(), on_failure=failures.append)
    run_until(net, lambda: failures and net.stats()["handshake_failures"] and not server.connections)
    assert [type(each) for each in failures] == [ssl.SSLCertVerificationError]
    assert (client.made, client.ended, net.stats()["handshake_failures"]) == (False, False, 1)
    lenient = certs.client()
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    other_client_is_served(net, server, certs, lenient)
    assert len(failures) == 1


def test_a_failed_handshake_that_nobody_takes_is_reported(net: Reactor, certs: Certs) -> None:
    reports: list[dict[str, Any]] = []
    net.set_exception_handler(lambda _, context: reports.append(context))
    server = serve_tls(net, certs, which="expired")
    net.connect_tcp(FrameRecorder, "localhost", server.addresses[0][1], tls=certs.client())
    run_until(net, lambda: reports and not server.connections)
    assert [type(each["exception"]) for each in reports] == [ssl.SSLCertVerificationError]


def test_a_plain_http_client_at_a_tls_port_hurts_nobody_else(net: Reactor, certs: Certs) -> None:
    server = serve_tls(net, certs)

    def ask() -> bytes:
        with socket.create_connection(server.addresses[0], timeout=20) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                return sock.recv(1 << 16)
            except ConnectionResetError:
                return b""

    answer = net.run_in_thread(ask)
    run_until(net, lambda: answer.done() and net.stats()["handshake_failures"])
    assert answer.result()[:1] in (b"", b"\x15"), "nothing, or an alert"
    other_client_is_served(net, server, certs)
    assert net.stats()["handshake_failures"] == 1


def test_a_plain_server_at_the_other_end_is_one_failure(net: Reactor, certs: Certs) -> None:
    failures: list[BaseException] = []

    class Greets(Recorder):
        def connection_made(self, transport: Any) -> None:
            transport.write(b"220 welcome to a server without TLS\r\n")

    server = net.listen_tcp(Greets, LOCAL, 0)
    net.connect_tcp(
        FrameRecorder,
        LOCAL,
        server.addresses[0][1],
        tls=certs.client(),
        server_hostname="localhost",
        on_failure=failures.append,
    )
    run_until(net, lambda: failures and not server.connections)
    assert len(failures) == 1
    assert isinstance(failures[0], ssl.SSLError)


@pytest.mark.parametrize("turns_before", range(6))
def test_cancelling_inside_the_handshake_leaves_nothing(net: Reactor, certs: Certs, turns_before: int) -> None:
    failures: list[BaseException] = []
    client = FrameRecorder()
    with socket.create_server((LOCAL, 0)) as silent:  # it never shakes hands
        attempt = net.connect_tcp(
            lambda: client,
            LOCAL,
            silent.getsockname()[1],
            tls=certs.client(),
            server_hostname="localhost",
            on_failure=failures.append,
        )
        for _ in range(turns_before):
            net.run_once(0)
        attempt.close()
        attempt.close()
        net.run_once(0)
        assert (net.stats()["connections"], net.stats()["timers"], net.stats()["watched"]) == (0, 0, 0)
    assert (failures, client.made, client.ended) == ([], False, False)


def test_a_server_that_never_shakes_hands_is_one_failure_in_time(certs: Certs) -> None:
    failures: list[BaseException] = []
    clock = ManualClock()
    with Reactor(clock=clock) as net, socket.create_server((LOCAL, 0)) as silent:
        port = silent.getsockname()[1]
        net.connect_tcp(FrameRecorder, LOCAL, port, tls=certs.client(), on_failure=failures.append)
        run_until(net, lambda: net.stats()["connections"])
        clock.advance(10)
        run_until(net, lambda: failures)
        assert "handshake_timeout" in str(failures[0])
        assert net.stats()["connections"] == 0


def test_a_client_that_is_to_check_a_name_and_was_told_none_does_not_connect(
    net: Reactor, certs: Certs, tmp_path: Any
) -> None:
    """`connect_unix()` has no host to take it from, and ssl.SSLObject lets it pass, unlike ssl.SSLSocket."""
    net.listen_unix(Echo, tmp_path / "sock", tls=certs.server("other name"))
    client, failures = FrameRecorder(), []
    try:
        net.connect_unix(lambda: client, tmp_path / "sock", tls=certs.client(), on_failure=failures.append)
    except ValueError as exc:
        failures.append(exc)
    run_until(net, lambda: failures or client.made)
    assert not client.made
    assert "server_hostname" in str(failures[0])


def test_a_client_context_given_to_a_server_is_refused_at_once(net: Reactor, certs: Certs) -> None:
    with pytest.raises((ValueError, ssl.SSLError)):
        net.listen_tcp(Echo, LOCAL, 0, tls=certs.client())


def test_tls_goes_over_a_unix_socket(net: Reactor, certs: Certs, tmp_path: Any) -> None:
    path, client = tmp_path / "sock", FrameRecorder()
    net.listen_unix(Echo, path, tls=certs.server())
    net.connect_unix(lambda: client, path, tls=certs.client(), server_hostname="localhost")
    run_until(net, lambda: client.made)
    client.send(b"hello")
    run_until(net, lambda: client.messages == [b"hello"])


def test_closing_the_reactor_inside_a_handshake_leaves_nothing(certs: Certs) -> None:
    failures: list[BaseException] = []
    with Reactor() as net:
        server = net.listen_tcp(Echo, LOCAL, 0, tls=certs.server())
        port = server.addresses[0][1]
        net.connect_tcp(FrameRecorder, LOCAL, port, tls=certs.client(), on_failure=failures.append)
        run_until(net, lambda: net.stats()["connections"])
    assert failures == []


def test_a_connection_that_we_end_ourselves_is_no_failed_handshake(net: Reactor, certs: Certs) -> None:
    server = serve_tls(net, certs)
    with socket.create_connection(server.addresses[0]):
        run_until(net, lambda: server.connections)
        server.drain(5)
        run_until(net, lambda: not server.connections)
    assert net.stats()["handshake_failures"] == 0
