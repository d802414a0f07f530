"""Drains: who has work in progress is waited for, wherever that work lies; who has none is closed at once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from road.cast import Frames, bodies, echo, frame
from road.roads import Road

from reactor import Drained, Framing

CROWD = 40  # more than one look takes


@pytest.fixture
def done() -> list[Drained]:
    return []


def test_requests_that_came_before_a_drain_are_answered(door: Road, done: list[Drained]) -> None:
    ours: list[Frames] = []
    server = door.listen(lambda: ours.append(Frames(message=echo)) or ours[-1])  # type: ignore[func-returns-value]
    peers = [door.dial(server) for _ in range(CROWD)]
    for peer in peers:
        peer.shake()
    door.until(lambda: len(ours) == CROWD and all(each.made for each in ours))
    door.settle()
    for peer in peers:
        peer.try_put(peer.sealed(frame(b"request")))
    server.drain(5, done.append)
    for peer in peers:
        assert bodies(peer.reads_to_the_end()) == [b"request"]
    door.until(lambda: done)
    assert done == [Drained(closed=CROWD, aborted=0)]


@pytest.mark.parametrize("cut", [1, 5, -1])
def test_a_drain_waits_for_a_message_of_which_some_has_come(door: Road, done: list[Drained], cut: int) -> None:
    """Under TLS that is a part of a record, of which no byte can be delivered yet."""
    ours = Frames(message=echo)
    peer = door.meet(ours)
    door.settle()
    request = peer.sealed(frame(b"request"))
    peer.put(request[:cut])
    door.settle()
    door.servers[0].drain(5, done.append)
    door.settle()
    assert not ours.ended
    peer.put(request[cut:])
    assert bodies(peer.reads_to_the_end()) == [b"request"]
    door.until(lambda: done)
    assert done == [Drained(closed=1, aborted=0)]


def test_a_drain_goes_on_through_a_change_of_protocol(door: Road, done: list[Drained]) -> None:
    then = Frames()
    ours = Frames(message=lambda self, message: self.transport.set_protocol(then))
    peer = door.meet(ours)
    peer.send(frame(b"first")[:6])
    door.settle()
    door.servers[0].drain(5, done.append)
    door.settle()
    peer.send(frame(b"first")[6:] + frame(b"second")[:2])
    door.settle()
    assert not then.ended
    peer.send(frame(b"second")[2:])
    door.until(lambda: done)
    assert (ours.messages, then.messages) == ([b"first"], [b"second"])
    assert done == [Drained(closed=1, aborted=0)]
    assert then.lost is None


def test_a_drain_goes_on_through_a_change_of_framing(door: Road, done: list[Drained]) -> None:
    def begin(self: Frames) -> None:
        door.servers[0].drain(5, done.append)
        self.framing = Framing(1)

    ours = Frames(made=begin)
    door.meet(ours)
    door.until(lambda: done)
    assert done == [Drained(closed=1, aborted=0)]


# --- work in progress that only the protocol knows of


def later(seconds: float) -> Any:
    """An act: answer a message so many seconds later, and be busy until then."""

    def answer(ours: Frames, message: bytes, hold: Any) -> None:
        ours.send(message)
        hold.release()

    def take(ours: Frames, message: bytes) -> None:
        hold = ours.transport.hold()
        ours.loop.call_later(seconds, answer, ours, message, hold)  # type: ignore[attr-defined]

    return take


def busy(door: Road, seconds: float) -> Frames:
    ours = Frames(message=later(seconds))
    ours.loop = door.reactor  # type: ignore[attr-defined]
    return ours


def test_a_drain_waits_for_who_holds_its_connection(door: Road, done: list[Drained]) -> None:
    ours = busy(door, 3)
    peer = door.meet(ours)
    peer.send(frame(b"question"))
    door.until(lambda: ours.messages)
    door.servers[0].drain(10, done.append)
    door.clock.advance(2)
    door.settle()
    assert not ours.ended
    door.clock.advance(1)
    assert bodies(peer.reads_to_the_end()) == [b"question"]
    door.until(lambda: done)
    assert done == [Drained(closed=1, aborted=0)]


def test_a_drain_waits_for_every_hold(door: Road, done: list[Drained]) -> None:
    ours = busy(door, 3)
    peer = door.meet(ours)
    peer.send(frame(b"one"))
    door.until(lambda: len(ours.messages) == 1)
    door.clock.advance(2)
    peer.send(frame(b"two"))
    door.until(lambda: len(ours.messages) == 2)
    door.servers[0].drain(10, done.append)
    door.clock.advance(1)
    door.settle()
    assert not ours.ended
    door.clock.advance(2)
    assert bodies(peer.reads_to_the_end()) == [b"one", b"two"]
    door.until(lambda: done)
    assert done == [Drained(closed=1, aborted=0)]


def test_who_holds_its_connection_beyond_the_grace_is_aborted(door: Road, done: list[Drained]) -> None:
    ours = Frames()
    door.meet(ours)
    hold = ours.transport.hold()
    door.servers[0].drain(10, done.append)
    door.clock.advance(9)
    door.settle()
    assert done == []
    door.clock.advance(1)
    door.until(lambda: done)
    assert done == [Drained(closed=0, aborted=1)]
    hold.release()  # too late, and no harm
    assert ours.ended


def test_a_hold_is_released_once_however_often_that_is_said(door: Road, done: list[Drained]) -> None:
    ours = Frames()
    door.meet(ours)
    first, second = ours.transport.hold(), ours.transport.hold()
    door.servers[0].drain(10, done.append)
    first.release()
    first.release()
    door.settle()
    assert not ours.ended
    second.release()
    assert not ours.ended, "no end comes from inside release()"
    door.until(lambda: done)
    assert done == [Drained(closed=1, aborted=0)]


def test_a_hold_is_a_context_manager(door: Road, done: list[Drained]) -> None:
    ours = Frames()
    door.meet(ours)
    with suppress(LookupError), ours.transport.hold():
        door.servers[0].drain(10, done.append)
        door.settle()
        assert not ours.ended
        raise LookupError("which releases it, too")
    door.until(lambda: done)
    assert done == [Drained(closed=1, aborted=0)]


def test_a_hold_without_a_drain_changes_nothing(road: Road) -> None:
    ours = Frames(message=echo)
    peer = road.meet(ours)
    with ours.transport.hold():
        peer.send(frame(b"hello"))
        assert bodies(peer.reads(9)) == [b"hello"]
    hold = ours.transport.hold()
    ours.transport.close()
    road.until(lambda: ours.ended)
    hold.release()
    assert ours.lost is None
