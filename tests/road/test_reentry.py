"""What is called where nobody expects it: from inside other callbacks, between turns, and behind the end."""

from __future__ import annotations

import gc
import ssl
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from road.cast import Batches, Buffered, Bytes, Frames, Once, frame
from road.conftest import Contexts, travelled
from road.peers import SealedPeer
from road.roads import MemoryRoad, Road

from reactor import Framing, Limits, WriteBufferFull
from reactor.framing import _codec_py
from reactor.testing import ManualClock


@pytest.fixture
def memory(twin: ModuleType, clock: ManualClock, contexts: Contexts) -> Iterator[Any]:
    """Memory alone, where a send fails when a test says so."""
    yield from travelled("memory", clock, contexts)


# --- a `send` that somebody kept


def test_a_send_that_was_kept_is_dropped_behind_the_end(road: Road) -> None:
    ours = Frames()
    road.meet(ours)
    transport, send, send_many = ours.transport, ours.send, ours.send_many
    transport.abort()
    road.until(lambda: ours.ended)
    before = transport.writes_dropped
    send(b"late")
    send_many([b"late", b"later"])
    assert transport.writes_dropped == before + 2


def test_a_send_that_was_kept_is_refused_when_its_protocol_is_not_in_force(road: Road) -> None:
    ours = Frames()
    road.meet(ours)
    send, send_many = ours.send, ours.send_many
    ours.transport.set_protocol(then := Bytes())
    for call in (lambda: send(b"late"), lambda: send_many([b"late"])):
        with pytest.raises(RuntimeError):
            call()
    then.transport.abort()
    road.settle()


# --- TLS that begins between turns


def hello_of(client: ssl.SSLContext) -> tuple[bytes, Any, ssl.MemoryBIO, ssl.MemoryBIO]:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client.wrap_bio(incoming, outgoing, False, "localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read(), tls, incoming, outgoing


def test_what_came_of_a_handshake_before_start_tls_is_heard_first(plain: Road, contexts: Contexts) -> None:
    server, client = contexts()
    hello, tls, incoming, outgoing = hello_of(client)
    done: list[bool] = []
    ours = Frames(message=lambda self, message: self.transport.pause_reading())
    peer = plain.meet(ours)
    peer.send(frame(b"STARTTLS") + hello[:100])
    plain.until(lambda: ours.messages)
    peer.send(hello[100:])
    plain.settle()

    def switch() -> None:
        ours.transport.start_tls(server, server_side=True, initial=b"", on_done=lambda: done.append(True))
        ours.transport.resume_reading()

    plain.reactor.call_soon(switch)

    def shaken() -> bool:
        if peer.take():
            incoming.write(bytes(peer.plain))
            peer.plain.clear()
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            if data := outgoing.read():
                peer.put(data)
        return bool(done) or ours.ended

    plain.until(shaken)
    assert done == [True]
    ours.transport.abort()
    plain.settle()


def begin_tls(road: Road, contexts: Contexts) -> tuple[Frames, Any]:
    """Our client begins TLS and writes, which waits for the handshake."""
    ours = Frames()
    peer = road.meet(ours, Limits(close_timeout=20, handshake_timeout=20))
    ours.transport.start_tls(contexts()[1], server_hostname="localhost")
    ours.transport.write(b"a secret")
    road.settle()
    peer.take_all()
    return ours, peer


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closing"])
@pytest.mark.parametrize("how", ["hangs up", "talks nonsense"])
def test_what_waits_for_a_handshake_that_failed_waits_no_more(
    plain: Road, contexts: Contexts, how: str, closed: bool
) -> None:
    ours, peer = begin_tls(plain, contexts)
    if closed:
        ours.transport.close()
    if how == "hangs up":
        peer.finish()
    else:
        peer.send(b"421 no TLS today\r\n")
    plain.settle()
    assert ours.ended, "and not when close_timeout has passed"
    assert isinstance(ours.lost, ssl.SSLError)


# --- messages of a list


def test_messages_kept_behind_the_switch_to_tls_are_injected(plain: Road, contexts: Contexts) -> None:
    ours = Batches(message=lambda self, message: self.transport.pause_reading())
    peer = plain.meet(ours)
    peer.send(frame(b"STARTTLS") + frame(b"injected"))
    plain.until(lambda: ours.messages)
    plain.settle()
    ours.transport.start_tls(contexts()[0], server_side=True)
    plain.settle()
    assert ours.ended
    assert isinstance(ours.lost, ssl.SSLError)


@pytest.mark.parametrize("then", [Bytes, Frames, Batches])
def test_messages_of_a_list_stay_its_protocols_when_another_one_pauses(road: Road, then: type[Any]) -> None:
    following = then()

    def switch(self: Batches, message: bytes) -> None:
        if message == b"one":
            self.transport.set_protocol(following)
            self.transport.pause_reading()

    ours = Batches(message=switch)
    peer = road.meet(ours)
    peer.send(frame(b"one") + frame(b"two"))
    road.until(lambda: ours.messages)
    following.transport.resume_reading()
    road.settle()
    assert ours.messages == [b"one", b"two"]
    assert following.calls == []
    following.transport.abort()
    road.settle()


# --- ends


def paused_and_unsendable(memory: MemoryRoad) -> tuple[Bytes, Any]:
    """Return who has paused and could not send, and its peer."""
    ours = Bytes()
    peer: Any = memory.meet(ours)
    ours.transport.pause_reading()
    peer.wire.sock.peer.fail_send = OSError(110, "timed out")
    ours.transport.write(b"lost")
    memory.settle()
    return ours, peer


def test_who_pauses_when_sending_fails_and_resumes_comes_to_an_end(memory: MemoryRoad) -> None:
    ours, _ = paused_and_unsendable(memory)
    assert not ours.ended
    ours.transport.resume_reading()
    memory.settle()
    assert isinstance(ours.lost, OSError)


def test_who_could_not_send_says_nothing_of_tls_either(memory: MemoryRoad, contexts: Contexts) -> None:
    ours, peer = paused_and_unsendable(memory)
    ours.transport.start_tls(contexts()[1], server_hostname="localhost")
    memory.settle()
    assert peer.take_all() == b""
    ours.transport.abort()
    memory.settle()


@pytest.mark.parametrize("slices", [1, 4])
def test_nothing_behind_what_broke_the_stream_is_cut(road: Road, slices: int) -> None:
    ours = Frames()
    peer = road.meet(ours)
    peer.send(frame(b"good") + b"\xff" * 5 + bytes(20_000 * slices))
    road.until(lambda: ours.ended)
    assert ours.messages == [b"good"]
    assert ours.failures == [ours.lost]
    assert road.take_reports() == []


def test_tls_that_begins_inside_get_buffer_takes_the_rest(plain: Road, contexts: Contexts) -> None:
    def switch(self: Any) -> None:
        if self.data:
            self.transport.start_tls(contexts()[0], server_side=True, initial=b"")

    ours = Buffered(buffer=switch)
    peer = plain.meet(ours)
    peer.send(b"STARTTLS" + hello_of(contexts()[1])[0])
    plain.until(lambda: peer.take_all() or ours.ended)
    assert not ours.ended
    ours.transport.abort()
    plain.settle()


def test_who_pauses_in_a_handshake_is_given_nothing_and_costs_no_turns(plain: Road, contexts: Contexts) -> None:
    ours, then = Frames(), Frames()
    plain.meet(ours)
    transport = ours.transport
    transport.start_tls(contexts()[0], server_side=True)
    transport.pause_reading()
    transport.set_protocol(then, initial=frame(b"early"))
    plain.settle()
    calls = plain.reactor.stats()["calls"]
    plain.settle()
    assert plain.reactor.stats()["calls"] == calls
    assert then.messages == []
    transport.abort()
    plain.settle()


def test_what_was_read_too_far_in_a_handshake_comes_first(plain: Road, contexts: Contexts) -> None:
    server, client = contexts()
    then = Frames()
    ours = Frames(made=lambda self: self.transport.start_tls(server, server_side=True))
    peer = plain.meet(ours)
    ours.transport.pause_reading()
    ours.transport.set_protocol(then, initial=frame(b"early"))
    sealed = SealedPeer(peer.wire, plain.until, client, server_side=False)
    sealed.put(sealed.last_flight() + sealed.sealed(frame(b"late")))
    ours.transport.resume_reading()
    plain.until(lambda: len(then.messages) == 2)
    assert then.messages == [b"early", b"late"]
    then.transport.abort()
    plain.settle()


def test_a_framing_that_aborts_before_the_beginning_is_no_connection(memory: MemoryRoad) -> None:
    class Aborts(Frames):
        @property
        def framing(self) -> Any:
            self.transport.abort()
            return Framing()

    ours = Aborts()
    memory.approach(lambda: ours)
    memory.settle()
    assert ours.calls == []


def test_a_protocol_that_is_set_behind_the_end_knows_its_transport(memory: MemoryRoad) -> None:
    ours, then = Bytes(), Bytes()
    memory.meet(ours)
    ours.transport.abort()
    ours.transport.set_protocol(then)
    memory.settle()
    assert then.calls == ["lost"]
    assert then.transport is ours.transport


def test_an_interrupt_in_framing_failed_goes_on_and_the_connection_ends(road: Road) -> None:
    ours = Frames(failed=Once(KeyboardInterrupt()))
    peer = road.meet(ours)
    peer.send(b"\xff" * 8)
    with pytest.raises(KeyboardInterrupt):
        road.settle(1000)
    road.until(lambda: ours.ended)
    assert ours.failures == [ours.lost]


# --- what is asked in the middle of a delivery


def lower_the_marks(self: Any, _: bytes) -> None:
    if self.calls.count("message") + self.calls.count("data") == 1:
        self.transport.set_write_buffer_limits(100)


@pytest.mark.parametrize("kind", [Frames, Buffered])
def test_who_sets_marks_in_the_middle_of_a_delivery_is_given_what_comes_next(road: Road, kind: type[Any]) -> None:
    ours = kind(message=lower_the_marks, data=lower_the_marks)
    peer = road.meet(ours)
    for count in (2, 4):
        peer.send(frame(b"twelve bytes") * 2)
        road.settle()
        got = len(ours.messages) if kind is Frames else len(ours.data) // 16
        assert got == count
    ours.transport.abort()
    road.settle()


# --- a decoder of the user's own


@dataclass(frozen=True)
class Slow(Framing):
    """A framing whose decoder no twin knows."""

    def decoder(self) -> Any:
        return _codec_py.Decoder(self)


@pytest.mark.parametrize("kind", [Frames, Batches])
def test_a_framing_assigned_inside_a_frame_follows_a_decoder_of_the_users_own(road: Road, kind: type[Any]) -> None:
    ours = kind(Slow())
    peer = road.meet(ours)
    whole = frame(b"wide")
    peer.send(whole[:6])
    road.until(lambda: ours.decoder.in_frame)
    ours.framing = Framing(1)
    peer.send(whole[6:] + b"\x06narrow")
    road.until(lambda: len(ours.messages) == 2 or ours.ended)
    assert ours.messages == [b"wide", b"narrow"]
    ours.transport.abort()
    road.settle()


# --- nothing waits for the collector


@pytest.fixture
def without_the_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def is_freed(ours: Any, road: MemoryRoad) -> bool:
    transport, ours.transport = weakref.ref(ours.transport), None
    ours.causes.clear()
    getattr(ours, "failures", []).clear()
    road.settle()
    return transport() is None


@pytest.mark.parametrize("kind", [Frames, Batches])
def test_who_ended_inside_a_frame_is_freed_at_once(
    memory: MemoryRoad, without_the_collector: None, kind: type[Any]
) -> None:
    ours = kind()
    peer = memory.meet(ours)
    peer.send(frame(b"cut")[:5])
    peer.finish()
    memory.until(lambda: ours.ended)
    memory.take_reports()
    assert is_freed(ours, memory)


def test_who_could_not_send_is_freed_at_once(memory: MemoryRoad, without_the_collector: None) -> None:
    ours = Bytes(data=lambda self, _: self.transport.write(bytes(1 << 20)))
    peer: Any = memory.meet(ours)
    peer.wire.sock.peer.fail_send = OSError(110, "timed out")
    peer.send(b"x")
    memory.until(lambda: ours.ended)
    assert is_freed(ours, memory)


def test_who_was_refused_a_write_is_freed_at_once(memory: MemoryRoad, without_the_collector: None) -> None:
    def write_too_much(self: Bytes, _: bytes) -> None:
        self.transport.write(bytes(1 << 20))  # a first one is always taken
        with pytest.raises(WriteBufferFull):
            self.transport.write(bytes(1 << 20))

    ours = Bytes(data=write_too_much)
    peer = memory.meet(ours, Limits(max_write_buffer=1000, overflow="raise"))
    peer.send(b"x")
    memory.until(lambda: ours.data)
    ours.transport.abort()
    memory.until(lambda: ours.ended)
    assert is_freed(ours, memory)
