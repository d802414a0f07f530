"""Outbox: when bytes leave, the hard cap, and the last try; what a connection makes of it is told there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from reactor.transport.outbox import Outbox

from reactor import ConnectionTimeout, EventLoop, Limits, WriteBufferFull
from reactor.testing import MemorySocket, memory_sockets
from reactor.transport.deadlines import Deadlines


class Owner:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failures: list[tuple[Exception, bool]] = []

    def sending_failed(self, exc: Exception, reset: bool) -> None:
        self.failures.append((exc, reset))

    def all_sent(self) -> None:
        self.calls.append("all sent")

    def writing_paused(self) -> None:
        self.calls.append("paused")

    def writing_resumed(self) -> None:
        self.calls.append("resumed")

    def is_open(self) -> bool:
        return True

    def may_queue(self) -> bool:
        return False

    def timed_out(self, exc: ConnectionTimeout) -> None:
        self.calls.append("timed out")

    def enqueue(self, chunks: Iterable[bytes], size: int) -> None:
        raise AssertionError("there is no pump")


class Half:
    """An outbox alone: its owner, its socket, and what has arrived."""

    def __init__(self, loop: EventLoop, capacity: int = 1 << 20, **limits: Any) -> None:
        self.owner = Owner()
        ours, self.peer = memory_sockets(capacity)
        self.sock: MemorySocket = ours
        given: Any = ours
        self.watch = loop.watch(ours, lambda: None, lambda: None)
        deadlines = Deadlines(loop, self.owner)
        self.box = Outbox(loop, given, self.watch, Limits(**limits), deadlines, self.owner)
        self.watch.on_write = self.box.send_ready

    def put(self, data: bytes) -> None:
        self.box.put((data,), len(data))


Make = Callable[..., Half]


@pytest.fixture
def half(loop: EventLoop) -> Make:
    return lambda **options: Half(loop, **options)


def test_little_leaves_at_the_end_of_the_turn_and_much_at_once(loop: EventLoop, half: Make) -> None:
    one = half()
    one.put(b"little")
    assert one.peer.incoming == b""
    loop.run_once(0)
    assert one.peer.incoming == b"little"
    one.put(bytes(64 * 1024 + 1))
    assert len(one.peer.incoming) == 6 + 64 * 1024 + 1
    assert one.owner.calls == ["all sent", "all sent"]


def test_what_the_peer_does_not_take_waits_for_it(loop: EventLoop, half: Make) -> None:
    one = half(capacity=4)
    one.put(b"abcdef")
    loop.run_once(0)
    assert (bytes(one.peer.incoming), one.box.buffer.size, one.owner.calls) == (b"abcd", 2, [])
    one.put(b"g")
    one.peer.incoming.clear()
    loop.run_once(0)
    assert (bytes(one.peer.incoming), one.box.buffer.size) == (b"efg", 0)
    assert (one.watch.mask, one.box.bytes_sent) == (0, 7)


def test_a_send_that_fails_is_told(loop: EventLoop, half: Make) -> None:
    one = half()
    one.sock.fail_send = OSError(32, "Broken pipe")
    one.put(b"x")
    loop.run_once(0)
    assert [(str(exc), reset) for exc, reset in one.owner.failures] == [("[Errno 32] Broken pipe", False)]


def test_there_is_room_up_to_the_cap_and_to_the_byte(half: Make) -> None:
    one = half(max_write_buffer=10, overflow="drop", capacity=0)
    assert one.box.has_room(10)
    one.put(bytes(6))
    assert one.box.has_room(4)
    assert not one.box.has_room(5)
    assert one.owner.failures == []


def test_without_a_cap_there_is_always_room(half: Make) -> None:
    one = half(max_write_buffer=None, capacity=0)
    one.put(bytes(100))
    assert one.box.has_room(1 << 40)


def test_before_it_refuses_it_sends_what_this_turn_has_queued(half: Make) -> None:
    one = half(max_write_buffer=10, overflow="raise")
    one.put(bytes(10))
    assert one.box.has_room(10)
    assert len(one.peer.incoming) == 10


def test_no_room_can_raise_and_end_nothing(half: Make) -> None:
    one = half(max_write_buffer=10, overflow="raise", capacity=0)
    one.put(bytes(8))
    with pytest.raises(WriteBufferFull, match="write of 3 bytes while 8 wait for the peer, max_write_buffer is 10"):
        one.box.has_room(3)
    assert (one.owner.failures, one.box.buffer.size) == ([], 8)


def test_no_room_can_end_the_connection(half: Make) -> None:
    one = half(max_write_buffer=10, overflow="abort", capacity=0)
    assert not one.box.has_room(11)
    ((failure, reset),) = one.owner.failures
    assert (type(failure), reset) == (WriteBufferFull, True)


def test_the_water_marks_alternate_and_may_be_moved(loop: EventLoop, half: Make) -> None:
    one = half(high_water=10, low_water=2, capacity=4)
    one.put(bytes(12))
    assert one.owner.calls == []
    one.put(bytes(4))
    assert one.owner.calls == ["paused"]
    while one.box.buffer.size > 2:
        one.peer.incoming.clear()
        loop.run_once(0)
    assert one.owner.calls[:2] in (["paused", "resumed"], ["paused", "all sent"])
    assert "resumed" in one.owner.calls
    one.peer.incoming[:] = bytes(4)
    one.put(bytes(5))
    one.box.buffer.high, one.box.buffer.low = 4, 1
    one.box.check_high()
    assert one.owner.calls.count("paused") == 2


@pytest.mark.parametrize("send_last", [True, False])
def test_closing_gives_what_this_turn_has_queued_one_last_try(half: Make, send_last: bool) -> None:
    one = half()
    one.put(b"answer")
    one.box.close(send_last=send_last)
    assert one.peer.incoming == (b"answer" if send_last else b"")
    assert one.box.buffer.size == 0
    assert one.owner.calls == []


def test_the_last_try_is_not_for_a_peer_that_takes_nothing(loop: EventLoop, half: Make) -> None:
    one = half(capacity=1)
    one.put(b"ab")
    loop.run_once(0)
    one.sock.send_sizes = [100]
    one.box.close(send_last=True)
    assert (bytes(one.peer.incoming), one.sock.send_sizes) == (b"a", [100])


def test_a_last_try_that_fails_is_nobodys_business(half: Make) -> None:
    one = half()
    one.put(b"x")
    one.sock.fail_send = OSError(32, "Broken pipe")
    one.box.close(send_last=True)
    assert one.owner.failures == []


def test_nothing_is_told_after_closing(loop: EventLoop, half: Make) -> None:
    one = half(high_water=1, low_water=0, capacity=0)
    one.put(b"x")
    one.box.close(send_last=False)
    one.watch.close()
    loop.run_once(0)
    one.box.check_high()
    assert not one.box.has_room(1 << 30)
    assert one.owner.calls == []
