"""What goes under TLS, in memory: data and messages, ends, and the bounds of what waits."""

from __future__ import annotations

import os
import ssl
from types import ModuleType
from typing import Any

import pytest
from helpers import FrameRecorder, Recorder
from transport.tls_peer import Secure, sock_of, turns, until

from reactor import Limits, WriteBufferFull
from reactor.testing import ManualClock

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
    peer.put(peer.last_flight() + peer.sealed(b"all that came"))
    peer.cut()
    until(secure.loop, lambda: server.ended)
    assert server.calls == ["made", "data", "lost"]
    assert server.data == b"all that came"
    assert isinstance(server.lost, ssl.SSLEOFError)
    assert "may be cut off" in str(server.lost)


def test_an_end_inside_a_record_is_told_apart(secure: Secure) -> None:
    server = Recorder()
    _, peer = secure.server(server)
    peer.put(peer.last_flight() + peer.sealed(b"cut off")[:-1])
    peer.cut()
    until(secure.loop, lambda: server.ended)
    assert isinstance(server.lost, ssl.SSLEOFError)
    assert server.data == b""


def test_a_goodbye_in_the_same_read_as_data_comes_after_it(secure: Secure) -> None:
    server = Recorder()
    _, peer = secure.server(server)
    peer.shake()
    peer.put(peer.sealed(b"last words") + peer.goodbye())
    until(secure.loop, lambda: server.ended)
    assert server.calls == ["made", "data", "eof", "lost"]
    assert (server.data, server.lost) == (b"last words", None)


@pytest.mark.parametrize("read_size", [None, 1])
def test_data_in_front_of_a_bad_record_is_delivered_however_it_was_cut(secure: Secure, read_size: int | None) -> None:
    server = Recorder()
    connection, peer = secure.server(server)
    peer.shake()
    turns(secure.loop)
    sock_of(connection).read_size = read_size
    good, bad = peer.sealed(b"good"), bytearray(peer.sealed(b"bad"))
    bad[-1] ^= 1
    peer.put(good + bytes(bad))
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
    data = peer.last_flight() + peer.sealed(b"data") + peer.goodbye()

    class Pauses(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    server = Pauses()
    connection.set_protocol(server)
    peer.put(data)
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
    peer.put(peer.last_flight() + peer.sealed(b"in the same flight") + peer.goodbye())
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
    peer.put(peer.last_flight() + peer.sealed(b"early"))
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
    left, right = secure.pair(one, Recorder(), limits=Limits(max_write_buffer=1000), capacity=5000)
    turns(secure.loop)
    right.pause_reading()
    left.write(bytes(6000))
    turns(secure.loop)
    assert not one.ended, "what meets an empty buffer is taken, whatever its size"
    left.write(b"x")
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
