"""Another protocol, another framing, a protocol used again: what holds from when on, and which bytes are whose."""

from __future__ import annotations

from typing import Any

import pytest
from road.cast import Batches, Buffered, Bytes, Frames, Once, bodies, echo, frame
from road.roads import Road

from reactor import FramedProtocol, FrameTooLarge, Framing

# --- bytes that were read too far


def behind_a_line(then: Any) -> Bytes:
    """A protocol that reads a line, and gives the rest to the next one."""

    def read(self: Bytes, data: bytes) -> None:
        if b"\n" in self.data:
            rest = self.data.partition(b"\n")[2]
            before = list(then.calls)
            self.transport.set_protocol(then, initial=rest)
            assert then.calls == before, "a callback came from inside set_protocol()"

    return Bytes(data=read)


FRAMES = frame(b"hello") + frame(b"world")


@pytest.mark.parametrize("cut", [3, 5, 9, 11, len(FRAMES)])
def test_what_was_read_too_far_comes_to_the_next_protocol_first(road: Road, cut: int) -> None:
    then = Frames(message=echo)
    peer = road.meet(behind_a_line(then))
    peer.send(b"GO\n" + FRAMES[:cut])
    road.settle()
    if cut < len(FRAMES):
        peer.send(FRAMES[cut:])
    peer.reads(len(FRAMES))
    assert then.messages == [b"hello", b"world"]
    assert peer.plain == FRAMES


def test_what_was_read_too_far_comes_before_the_end(road: Road) -> None:
    then = Frames(message=echo)
    peer = road.meet(behind_a_line(then))
    peer.put(peer.sealed(b"GO\n" + FRAMES))
    peer.finish()
    road.until(lambda: then.ended)
    assert then.calls == ["message", "message", "eof", "lost"]
    assert then.lost is None
    assert peer.reads_to_the_end() == FRAMES


@pytest.mark.parametrize("kind", [Bytes, Buffered])
def test_any_kind_of_protocol_is_given_what_was_read_too_far(road: Road, kind: type[Any]) -> None:
    then = kind()
    peer = road.meet(behind_a_line(then))
    peer.send(b"GO\nand the rest of it, longer than a small buffer")
    road.until(lambda: len(then.data) == 46)
    peer.send(b"!")
    road.until(lambda: len(then.data) == 47)
    assert then.data == b"and the rest of it, longer than a small buffer!"


def test_what_was_read_too_far_can_be_given_back_outside_of_a_callback(road: Road) -> None:
    first, then = Bytes(data=lambda self, data: self.transport.pause_reading()), Frames()
    peer = road.meet(first)
    peer.send(b"GO\n" + frame(b"one"))
    road.until(lambda: first.data)
    peer.send(frame(b"two"))
    road.settle()
    first.transport.set_protocol(then, initial=first.data[3:])
    assert then.messages == []
    road.settle()
    assert then.messages == [], "reading is paused"
    first.transport.resume_reading()
    assert then.messages == [], "resume_reading() never calls back from inside"
    road.until(lambda: len(then.messages) == 2)
    assert then.messages == [b"one", b"two"]


def test_what_was_read_too_far_is_kept_from_a_bytearray_that_changes(road: Road) -> None:
    first, then = Bytes(), Frames()
    peer = road.meet(first)
    rest = bytearray(frame(b"one"))
    first.transport.set_protocol(then, initial=rest)
    rest[:] = bytes(len(rest))
    peer.send(frame(b"two"))
    road.until(lambda: len(then.messages) == 2)
    assert then.messages == [b"one", b"two"]


def test_what_was_read_too_far_comes_before_messages_that_were_left(road: Road) -> None:
    """A handler that peels one envelope: the bytes it gives back were in front of those behind its message."""
    then = Frames()

    def unpack(self: Frames, message: bytes) -> None:
        self.transport.set_protocol(then, initial=message)

    peer = road.meet(Frames(message=unpack))
    peer.send(frame(frame(b"inside")) + frame(b"behind"))
    road.until(lambda: len(then.messages) == 2)
    assert then.messages == [b"inside", b"behind"]


# --- another framing by assignment


def test_a_framing_assigned_in_a_message_holds_for_what_is_sent_and_for_what_comes_behind(road: Road) -> None:
    small, large = Framing(1), Framing(4)

    def change(self: Frames, message: bytes) -> None:
        if message == b"change":
            self.framing = large
        self.send(b"to " + message)
        self.send_many([b"x"])

    ours = Frames(small, message=change)
    peer = road.meet(ours)
    peer.send(small.encode(b"small") + small.encode(b"change") + large.encode(b"large"))
    wanted = small.encode_many([b"to small", b"x"]) + large.encode_many([b"to change", b"x", b"to large", b"x"])
    assert peer.reads(len(wanted)) == wanted
    assert ours.messages == [b"small", b"change", b"large"]
    assert not ours.ended


def test_a_framing_assigned_in_connection_made_holds_for_the_greeting_and_for_what_comes(road: Road) -> None:
    little = Framing(2, "little")

    def greet(self: Frames) -> None:
        self.framing = little
        self.send(b"hello")
        self.send_many([b"a", b"b"])

    ours = Frames(made=greet, message=echo)
    peer = road.meet(ours)
    peer.send(little.encode(b"echo"))
    wanted = little.encode_many([b"hello", b"a", b"b", b"echo"])
    assert peer.reads(len(wanted)) == wanted
    assert ours.messages == [b"echo"]


def test_a_framing_assigned_between_messages_holds_for_what_comes_next(road: Road) -> None:
    ours = Frames(message=echo)
    peer = road.meet(ours)
    peer.send(frame(b"one"))
    road.until(lambda: ours.messages == [b"one"])
    ours.framing = Framing(1)
    peer.send(b"\3two")
    assert peer.reads(11) == frame(b"one") + b"\3two"
    assert ours.messages == [b"one", b"two"]


def test_a_framing_assigned_while_paused_holds_for_the_messages_that_were_left(road: Road) -> None:
    def pause(self: Frames, message: bytes) -> None:
        if message == b"one":
            self.transport.pause_reading()

    ours = Frames(message=pause)
    peer = road.meet(ours)
    peer.send(frame(b"one") + b"\3two")
    road.until(lambda: ours.messages == [b"one"])
    road.settle()
    ours.framing = Framing(1)
    ours.transport.resume_reading()
    road.until(lambda: len(ours.messages) == 2)
    assert ours.messages == [b"one", b"two"]


@pytest.mark.parametrize("order", ["limit first", "framing first"])
def test_limits_agreed_in_a_first_exchange_hold_for_one_direction_each(road: Road, order: str) -> None:
    """The decoder's own limit is what we take, whatever the framing that is assigned says of what we send."""

    def agree(self: Frames, message: bytes) -> None:
        if not message.startswith(b"open"):
            return answer(self, message)
        self.send(b"open 262144")
        if order == "limit first":
            self.decoder.max_frame_length = 262144
        self.framing = Framing(max_frame_length=int(message[5:]))
        if order == "framing first":
            self.decoder.max_frame_length = 262144
        return None

    def answer(self: Frames, message: bytes) -> None:
        try:
            self.send(message)
        except FrameTooLarge:
            self.send(b"too large")

    ours = Frames(Framing(max_frame_length=512), message=agree)
    peer = road.meet(ours)
    peer.send(frame(b"open 16384") + frame(bytes(10_000)) + frame(bytes(100_000)) + frame(b"last"))
    road.until(lambda: peer.take_all().endswith(b"last") or ours.ended)
    assert bodies(peer.plain) == [b"open 262144", bytes(10_000), b"too large", b"last"]


# --- what is the user's own


def test_an_own_send_stays_the_protocols(road: Road) -> None:
    sent: list[bytes] = []
    ours = Frames(message=echo)
    ours.send = own = sent.append  # type: ignore[method-assign,assignment]
    peer = road.meet(ours)
    peer.send(frame(b"hello"))
    road.until(lambda: ours.messages)
    assert sent == [b"hello"]
    peer.close()
    road.until(lambda: ours.ended)
    assert vars(ours)["send"] is own


def test_an_encode_of_ones_own_makes_what_is_sent(road: Road) -> None:
    class Shout(Framing):
        def encode(self, body: Any, prefix: Any = b"") -> bytes:
            return super().encode(bytes(body).upper(), prefix)

    ours = Frames(Shout(), message=echo)
    peer = road.meet(ours)
    peer.send(frame(b"hello"))
    assert peer.reads(9) == frame(b"HELLO")


def test_a_send_of_a_subclass_of_ones_own_is_called(road: Road) -> None:
    class Counts(Frames):
        count = 0

        def send(self, message: Any, prefix: Any = b"") -> None:
            self.count += 1
            super().send(message, prefix)

    ours = Counts(message=echo)
    peer = road.meet(ours)
    peer.send(frame(b"a") + frame(b"b"))
    assert bodies(peer.reads(10)) == [b"a", b"b"]
    assert ours.count == 2


# --- a protocol that is used again


def pause_at_old_1(self: Frames, message: bytes) -> None:
    if message == b"old 1":
        self.transport.pause_reading()


def pause_and_resume(self: Frames) -> None:
    self.transport.pause_reading()
    self.transport.resume_reading()


@pytest.mark.parametrize("nudged", [False, True])
@pytest.mark.parametrize("kind", [Frames, Batches])
@pytest.mark.parametrize("how", ["abort", "close"])
def test_a_protocol_used_again_is_given_nothing_of_its_last_connection(
    road: Road, kind: type[Frames], nudged: bool, how: str
) -> None:
    ours = kind(message=pause_at_old_1, **({"made": pause_and_resume} if nudged else {}))
    peer = road.meet(ours)
    peer.send(frame(b"old 1") + frame(b"old 2") + frame(b"old 3") + b"\0\0\0\7ol")
    road.until(lambda: ours.messages)
    road.settle()
    getattr(ours.transport, how)()
    road.until(lambda: ours.ended)
    ours.calls.clear()
    again = road.meet(ours)
    again.send(frame(b"new 1") + frame(b"new 2"))
    road.until(lambda: b"new 2" in ours.messages)
    assert ours.messages == [b"old 1", b"new 1", b"new 2"]


def test_who_closes_inside_a_batch_reads_on_its_next_connection(road: Road) -> None:
    ours = Batches(message=lambda self, message: self.transport.close() if message == b"1" else None)
    peer = road.meet(ours)
    peer.send(frame(b"1") + frame(b"2") + frame(b"3"))
    road.until(lambda: ours.ended)
    ours.calls.clear()
    again = road.meet(ours)
    again.send(frame(b"4"))
    road.until(lambda: b"4" in ours.messages)
    assert ours.messages == [b"1", b"4"]


# --- interrupted


@pytest.mark.parametrize("kind", [Frames, Batches])
def test_an_interrupt_inside_a_batch_loses_no_message_behind_it(road: Road, kind: type[Frames]) -> None:
    interrupt = Once(KeyboardInterrupt())
    ours = kind(message=lambda self, message: interrupt() if message == b"2" else None)
    peer = road.meet(ours)
    peer.send(frame(b"1") + frame(b"2") + frame(b"3"))
    with pytest.raises(KeyboardInterrupt):
        road.until(lambda: ours.ended)
    road.until(lambda: b"3" in ours.messages)
    peer.send(frame(b"4"))
    road.until(lambda: b"4" in ours.messages)
    assert ours.messages == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("where", ["data", "buffer"])
def test_an_interrupted_buffered_protocol_is_given_its_own_bytes_only(road: Road, where: str) -> None:
    ours, other = Buffered(**{where: Once(KeyboardInterrupt())}), Buffered(64)
    peer, others_peer = road.meet(ours), road.meet(other)
    peer.send(b"a" * 64)
    with pytest.raises(KeyboardInterrupt):
        road.until(lambda: ours.ended)
    others_peer.send(b"SECRET" * 100)
    road.until(lambda: len(other.data) == 600)
    road.until(lambda: len(ours.data) >= 64)
    road.settle()
    assert ours.data == b"a" * 64
    assert other.data == b"SECRET" * 100


def test_an_interrupted_connection_made_loses_nothing_that_came_with_the_handshake(road: Road) -> None:
    ours = Frames(made=Once(KeyboardInterrupt()))
    peer = road.approach(lambda: ours)
    last = peer.last_flight() if road.sealed else b""  # type: ignore[attr-defined]
    peer.put(last + peer.sealed(frame(b"first")))
    with pytest.raises(KeyboardInterrupt):
        road.until(lambda: ours.ended)
    peer.send(frame(b"second"))
    road.until(lambda: len(ours.messages) == 2 or ours.ended)
    assert ours.messages == [b"first", b"second"]
    assert not ours.ended


def test_the_framing_of_the_class_stays_what_it_was(road: Road) -> None:
    before = FramedProtocol.framing
    ours = Frames(made=lambda self: setattr(self, "framing", Framing(1)))
    road.meet(ours)
    assert FramedProtocol.framing is before
