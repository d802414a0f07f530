"""Ends: what was received is delivered and what was answered leaves, whatever ends a connection and whoever did it."""

from __future__ import annotations

import errno
import gc
import socket
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from road.cast import Batches, Frames, bodies, echo, frame
from road.peers import Peer
from road.roads import Road

from reactor import FrameCorrupt, FramedProtocol, FrameTooLarge, Framing, FramingError, Protocol

BAD = b"\xff\xff\xff\xff"
MANY = 5_000


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


# --- a send that fails loses nothing of what was received


@pytest.mark.parametrize("kind", [Frames, Batches])
def test_messages_that_came_are_delivered_though_no_answer_can_be_sent(road: Road, kind: type[Frames]) -> None:
    ours = kind(message=lambda self, message: self.send(b"ack"))
    peer = road.meet(ours)
    peer.take_all()
    assert peer.try_put(peer.sealed(b"".join(map(frame, numbered(MANY)))))
    peer.close()
    road.until(lambda: ours.ended)
    assert ours.messages == numbered(MANY)
    assert isinstance(ours.lost, OSError)


@pytest.mark.parametrize("paused", [False, True])
def test_an_answer_that_has_come_is_delivered_though_our_upload_fails(road: Road, paused: bool) -> None:
    ours = Frames()
    peer = road.meet(ours)
    peer.take_all()
    if paused:
        ours.transport.pause_reading()
    ours.transport.write(bytes(10_000))  # unread by the peer, so that closing is a reset
    road.settle()
    peer.send(frame(b"413 too large"))
    peer.close()
    for _ in range(4):
        ours.transport.write(bytes(100_000))  # more than waits for the end of a turn: this is what fails
    road.settle()
    if paused:
        assert ours.messages == []
        ours.transport.resume_reading()
    road.until(lambda: ours.ended)
    assert ours.messages == [b"413 too large"]
    assert isinstance(ours.lost, OSError)


def test_what_is_written_when_no_more_can_be_sent_is_dropped_and_raises_nothing(road: Road) -> None:
    ours = Frames(message=lambda self, message: self.send(bytes(70_000)))
    peer = road.meet(ours)
    peer.take_all()
    peer.try_put(peer.sealed(frame(b"x") * 50))
    peer.close()
    road.until(lambda: ours.ended)
    assert len(ours.messages) == 50
    assert ours.transport.get_write_buffer_size() == 0


# --- what was answered before the end leaves


@pytest.mark.parametrize(
    "exc",
    [ValueError, FileNotFoundError, BrokenPipeError, ConnectionResetError, TimeoutError],
    ids=lambda kind: kind.__name__,
)
def test_an_answer_leaves_whatever_type_of_exception_ends_the_connection(road: Road, exc: type[Exception]) -> None:
    def fail(self: Frames, message: bytes) -> None:
        if message == b"two":
            raise exc("by the handler of message two")
        self.send(b"answer")

    ours = Frames(message=fail)
    peer = road.meet(ours)
    peer.send(frame(b"one") + frame(b"two") + frame(b"three"))
    assert bodies(peer.reads_to_the_end()) == [b"answer"]
    road.until(lambda: ours.ended)
    assert type(ours.lost) is exc
    assert ours.messages == [b"one", b"two"]
    assert road.take_reports() == [ours.lost]


@pytest.mark.parametrize("how", ["bad frame", "exception"])
def test_an_end_by_an_error_is_a_clean_end_for_the_peer(road: Road, how: str) -> None:
    def answer(self: Frames, message: bytes) -> None:
        self.send(message)
        if message == b"raise":
            raise LookupError(message)

    ours = Frames(message=answer)
    peer = road.meet(ours)
    peer.send(frame(b"good") + (BAD if how == "bad frame" else frame(b"raise")))
    peer.reads_to_the_end()
    assert bodies(peer.plain)[0] == b"good"
    assert peer.end == "eof"
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, FrameTooLarge if how == "bad frame" else LookupError)
    road.take_reports()


def test_thousands_of_messages_before_a_bad_frame_are_delivered_and_answered(road: Road) -> None:
    ours = Frames(message=echo)
    peer = road.meet(ours)
    peer.send(b"".join(map(frame, numbered(3_000))) + BAD)
    assert bodies(peer.reads_to_the_end()) == numbered(3_000)
    road.until(lambda: ours.ended)
    assert ours.messages == numbered(3_000)
    assert isinstance(ours.lost, FramingError)


@pytest.mark.parametrize("tail", [BAD, b"\0\0\1\0half"], ids=["bad frame", "truncated"])
def test_a_large_answer_before_a_broken_stream_arrives_whole(road: Road, tail: bytes) -> None:
    size = 1 << 20
    ours = Frames(message=lambda self, message: self.send(bytes(size)))
    peer = road.meet(ours, narrow=True)
    peer.send(frame(b"get") + tail)
    if tail != BAD:
        peer.finish()
    road.settle()
    assert len(peer.reads_to_the_end()) == size + 4
    assert peer.end == "eof"
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, FramingError)


# --- an answer to a bad frame


SMPP = {"length_adjustment": -4, "max_frame_length": 64 * 1024}
NACK = b"a frame like yours can't be"


@pytest.mark.parametrize(
    ("bad", "cause"),
    [(b"\0\0\0\3", FrameCorrupt), (b"\x40\0\0\0" + bytes(5_000), FrameTooLarge)],
    ids=["below the field", "1 GiB"],
)
@pytest.mark.parametrize("kind", [Frames, Batches])
def test_a_bad_frame_can_be_answered_before_the_end(
    road: Road, kind: type[Frames], bad: bytes, cause: type[FramingError]
) -> None:
    smpp = Framing(4, **SMPP)  # type: ignore[arg-type]
    ours = kind(smpp, message=echo, failed=lambda self, exc: self.send(NACK))
    peer = road.meet(ours)
    peer.send(smpp.encode(b"good") + bad)
    assert peer.reads_to_the_end() == smpp.encode(b"good") + smpp.encode(NACK)
    assert peer.end == "eof"
    road.until(lambda: ours.ended)
    assert ours.calls == ["made", "message", "failed", "lost"]
    assert type(ours.lost) is cause
    assert ours.failures == [ours.lost]


def test_a_large_answer_to_a_bad_frame_arrives_whole(road: Road) -> None:
    size = 1 << 20
    ours = Frames(failed=lambda self, exc: self.send(bytes(size)))
    peer = road.meet(ours, narrow=True)
    peer.send(BAD)
    road.settle()
    assert not ours.ended
    assert len(peer.reads_to_the_end()) == size + 4
    road.until(lambda: ours.ended)
    assert isinstance(ours.lost, FrameTooLarge)


@pytest.mark.parametrize("how", ["close", "abort", "raise"])
def test_the_framing_error_stays_the_cause_whatever_the_answer_to_it_does(road: Road, how: str) -> None:
    def failed(self: Frames, exc: BaseException) -> None:
        if how == "raise":
            raise LookupError("in framing_failed")
        getattr(self.transport, how)()

    ours = Frames(failed=failed)
    peer = road.meet(ours)
    peer.send(BAD)
    road.until(lambda: ours.ended)
    assert ours.calls == ["made", "failed", "lost"]
    assert isinstance(ours.lost, FrameTooLarge)
    assert len(road.take_reports()) == (how == "raise")


def test_a_bad_frame_behind_a_message_that_paused_is_told_when_reading_resumes(road: Road) -> None:
    ours = Frames(message=lambda self, message: self.transport.pause_reading())
    peer = road.meet(ours)
    peer.send(frame(b"good") + BAD)
    road.until(lambda: ours.messages)
    road.settle()
    assert ours.failures == []
    ours.transport.resume_reading()
    road.until(lambda: ours.ended)
    assert len(ours.failures) == 1


def test_an_exception_in_a_message_is_no_failure_of_the_framing(road: Road) -> None:
    def fail(self: Frames, message: bytes) -> None:
        raise ValueError(message)

    ours = Frames(message=fail)
    peer = road.meet(ours)
    peer.send(frame(b"x") + BAD)
    road.until(lambda: ours.ended)
    assert ours.failures == []
    assert road.take_reports() == [ours.lost]


def test_a_protocol_without_framing_failed_ends_with_the_framing_error_as_ever(road: Road) -> None:
    causes: list[BaseException | None] = []

    class Plain(FramedProtocol):
        made = False

        def connection_made(self, transport: Any) -> None:
            self.made = True

        def connection_lost(self, exc: BaseException | None) -> None:
            causes.append(exc)

    peer = road.meet(Plain())
    peer.send(BAD)
    road.until(lambda: causes)
    assert isinstance(causes[0], FrameTooLarge)


# --- a client that ends its side, and reads its answer


@pytest.mark.parametrize("later", [False, True])
def test_who_half_closes_is_sent_the_whole_answer(road: Road, later: bool) -> None:
    size = 1 << 20
    if later and road.sealed:
        pytest.skip("TLS can't end one side alone")

    def answer(self: Frames) -> None:
        self.send(bytes(size))
        if later:
            self.transport.close()

    def asked(self: Frames, message: bytes) -> None:
        if later:
            road.reactor.call_later(3, answer, self)
        else:
            answer(self)

    ours = Frames(message=asked, eof=lambda self: later)
    peer = road.meet(ours, narrow=True)
    peer.send(frame(b"get"))
    peer.finish()
    road.settle()
    road.clock.advance(3)
    assert len(road.reads_slowly(peer)) == size + 4
    road.until(lambda: ours.ended)
    assert ours.lost is None


@pytest.mark.skipif(sys.platform != "linux", reason="epoll alone tells")
def test_a_half_closed_peer_that_resets_is_noticed_though_nothing_is_written(plain: Road) -> None:
    ours, others = Frames(eof=lambda self: True), Frames(eof=lambda self: True)
    peer, other = plain.meet(ours), plain.meet(others)
    for each in (peer, other):
        each.send(frame(b"get"))
        each.finish()
    plain.until(lambda: "eof" in ours.calls and "eof" in others.calls)
    peer.reset()
    plain.until(lambda: ours.ended)
    assert isinstance(ours.lost, (BrokenPipeError, ConnectionResetError))
    plain.settle()
    assert not others.ended
    others.send(b"answer")
    assert other.reads(10) == frame(b"answer")


def test_a_half_closed_peer_that_went_is_waited_for_without_a_spin(road: Road) -> None:
    if road.sealed:
        pytest.skip("TLS can't end one side alone")
    ours = Frames(eof=lambda self: True)
    peer = road.meet(ours)
    peer.finish()
    road.until(lambda: "eof" in ours.calls)
    peer.close()
    road.settle()
    before = road.reactor.stats()["events"]
    road.settle()
    assert road.reactor.stats()["events"] == before
    ours.transport.abort()
    road.until(lambda: ours.ended)


# --- nothing is left of a connection that is over


def closes(ours: Any, peer: Peer) -> None:
    ours.transport.close()


def aborts(ours: Any, peer: Peer) -> None:
    ours.transport.abort()


def is_left(ours: Any, peer: Peer) -> None:
    peer.finish()


def is_reset(ours: Any, peer: Peer) -> None:
    peer.reset()


def is_sent_a_bad_frame(ours: Any, peer: Peer) -> None:
    peer.send(BAD)


def raises(ours: Any, peer: Peer) -> None:
    peer.send(frame(b"raise"))


@pytest.fixture
def no_collections() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


ENDS = [closes, aborts, is_left, is_reset, is_sent_a_bad_frame, raises]


@pytest.mark.parametrize("base", [Protocol, FramedProtocol])
@pytest.mark.parametrize("side", ["server", "client"])
@pytest.mark.usefixtures("no_collections")
def test_an_ended_connection_is_freed_without_the_collector(road: Road, base: type[Any], side: str) -> None:
    ends: list[str] = []

    class Ours(base):  # type: ignore[misc]
        made = False

        def connection_made(self, transport: Any) -> None:
            self.made = True

        def message_received(self, message: bytes) -> None:
            self.transport.write(message)
            if message.endswith(b"raise"):
                raise ValueError

        def data_received(self, data: bytes) -> None:
            self.message_received(data)

        def connection_lost(self, exc: BaseException | None) -> None:
            ends.append("lost")  # a cause that is kept has a traceback, which holds the protocol

    road.reactor.set_exception_handler(lambda loop, context: None)
    for end in ENDS:
        ours = Ours()
        peer = road.meet(ours, side=side)
        protocol, transport = weakref.ref(ours), weakref.ref(ours.transport)
        peer.send(frame(b"hello"))
        road.settle(4)
        ends.clear()
        end(ours, peer)
        if base is Protocol and end is is_sent_a_bad_frame:
            ours.transport.close()  # to who takes bytes, no frame is bad
        del ours
        road.until(lambda: ends)
        road.settle(2)
        assert protocol() is None, f"who {end.__name__.replace('_', ' ')} leaves a cycle that holds the protocol"
        assert transport() is None, f"who {end.__name__.replace('_', ' ')} leaves a cycle that holds the transport"


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_socket_that_is_asked_for_after_the_end_is_a_closed_one_of_its_kind(door: Road, asked_before: bool) -> None:
    ours = Frames()
    peer = door.meet(ours)
    before = ours.transport.get_extra_info("socket") if asked_before else None
    ours.transport.close()
    door.until(lambda: ours.ended and peer.take_all() is not None and peer.end)
    peer.close()
    door.settle()
    sock = ours.transport.get_extra_info("socket")
    assert before in (None, sock)
    assert (sock.fileno(), sock.family, sock.type) == (-1, peer.wire.family, peer.wire.type)
    assert sock.gettimeout() == 0
    for ask in (sock.getpeername, sock.dup, lambda: sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
        with pytest.raises(OSError, match="Bad file descriptor") as raised:
            ask()
        assert raised.value.errno == errno.EBADF
