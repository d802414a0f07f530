"""DatagramEndpoint in memory, on a clock that is told the time: what waits, what is dropped, what is told."""

from __future__ import annotations

import errno
import gc
import importlib
import inspect
import itertools
import os
import weakref
from typing import Any

import pytest
from conftest import needs_extension
from datagram.cast import Datagrams
from helpers import elsewhere_in_a_turn

from reactor import ConnectionTimeout, DatagramEndpoint, EventLoop, Limits
from reactor.testing import ManualClock, memory_datagram_pair

pytestmark = pytest.mark.usefixtures("mechanism")
DATAGRAM = bytes(1000)


def settle(loop: EventLoop, turns: int = 5) -> None:
    for _ in range(turns):
        loop.run_once(0)


class Pair:
    """Two endpoints in memory; `ours` is the one that is looked at."""

    def __init__(self, loop: EventLoop, limits: Limits | None = None, capacity: int = 4, **on: Any) -> None:
        self.loop = loop
        self.ours, self.theirs = Datagrams(**on), Datagrams()
        self.endpoint, self.peer = memory_datagram_pair(loop, self.ours, self.theirs, limits=limits, capacity=capacity)
        self.sock: Any = self.endpoint._sock

    def deaf(self) -> None:
        """Let the peer read nothing."""
        assert self.peer._watch is not None
        self.peer._watch.want(0)

    def hearing(self) -> None:
        assert self.peer._watch is not None
        self.peer._watch.want(1)

    def fill(self) -> None:
        """Send until something waits."""
        self.deaf()
        while not self.endpoint.get_write_buffer_size():
            self.endpoint.sendto(DATAGRAM)
            settle(self.loop, 1)

    def end(self) -> None:
        self.endpoint.abort()
        self.peer.abort()
        settle(self.loop, 1)


@pytest.fixture
def pair(loop: EventLoop) -> Any:
    found: list[Pair] = []

    def make(limits: Limits | None = None, **on: Any) -> Pair:
        found.append(Pair(loop, limits, **on))
        settle(loop, 2)
        return found[-1]

    yield make
    for each in found:
        each.end()


# --- what waits


def test_datagrams_of_one_turn_leave_at_its_end(loop: EventLoop, pair: Any) -> None:
    one = pair()
    one.endpoint.sendto(b"a")
    assert one.endpoint.get_write_buffer_size() == 128
    settle(loop, 1)
    assert one.endpoint.get_write_buffer_size() == 0


def test_what_waits_and_finds_no_room_for_write_timeout_is_dropped_counted_and_told(
    loop: EventLoop, clock: ManualClock, pair: Any
) -> None:
    one = pair(Limits(write_timeout=5))
    one.fill()
    dropped = one.endpoint.datagrams_dropped
    clock.advance(4.9)
    settle(loop)
    assert one.ours.errors == []
    clock.advance(0.2)
    settle(loop)
    assert one.endpoint.get_write_buffer_size() == 0
    assert one.endpoint.datagrams_dropped == dropped + 1
    assert [type(each) for each in one.ours.errors] == [ConnectionTimeout]
    assert "write_timeout" in str(one.ours.errors[0])
    assert not one.endpoint.is_closing()
    one.hearing()
    settle(loop)
    one.endpoint.sendto(b"goes on")
    settle(loop)
    assert one.theirs.came[-1] == b"goes on"


def test_some_progress_begins_the_wait_anew(loop: EventLoop, clock: ManualClock, pair: Any) -> None:
    one = pair(Limits(write_timeout=5), capacity=1)
    one.deaf()
    for number in range(5):
        one.endpoint.sendto(b"%d" % number)
    for _ in range(4):
        clock.advance(4)
        settle(loop)
        one.hearing()
        loop.run_once(0)
        one.deaf()
        settle(loop)
    assert one.ours.errors == []
    assert len(one.theirs.came) >= 4


def test_a_close_that_nobody_takes_anything_of_is_a_timeout(loop: EventLoop, clock: ManualClock, pair: Any) -> None:
    one = pair(Limits(close_timeout=3))
    one.fill()
    one.endpoint.close()
    settle(loop)
    assert not one.ours.ended
    clock.advance(3.1)
    settle(loop)
    assert isinstance(one.ours.lost, ConnectionTimeout)
    assert "close_timeout" in str(one.ours.lost)
    assert one.endpoint.datagrams_dropped >= 1


def test_a_socket_that_says_it_has_room_and_takes_nothing_does_not_spin(
    loop: EventLoop, clock: ManualClock, pair: Any
) -> None:
    one = pair()
    full = OSError(errno.ENOBUFS, "as a BSD says it")
    tries = 0

    def send(data: Any, flags: int = 0) -> int:
        nonlocal tries
        tries += 1
        raise full

    one.sock.send = send
    one.endpoint.sendto(b"x")
    settle(loop, 100)
    assert tries < 5
    for _ in range(20):
        clock.advance(1)
        settle(loop, 2)
    assert tries > 10
    assert one.ours.errors == []
    del one.sock.send
    clock.advance(1)
    settle(loop)
    assert one.theirs.came == [b"x"]
    clock.advance(1000)
    settle(loop)
    assert one.ours.errors == [], "it waited for room, and has it"


# --- what is told


def test_an_error_that_comes_again_and_again_is_counted_and_told_a_bounded_number_of_times(
    loop: EventLoop, pair: Any
) -> None:
    one = pair()
    for _ in range(1000):
        one.endpoint.sendto(bytes(70_000))
    settle(loop)
    assert loop.counts["datagram_errors"] == 1000
    assert 0 < len(one.ours.errors) <= 100
    assert {each.errno for each in one.ours.errors} == {errno.EMSGSIZE}  # type: ignore[attr-defined]


def test_a_refusal_of_an_earlier_datagram_costs_the_next_one_nothing(loop: EventLoop, pair: Any) -> None:
    one = pair()
    one.sock.fail_send = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    one.endpoint.sendto(b"the next one")
    settle(loop)
    assert one.theirs.came == [b"the next one"]
    assert [type(each) for each in one.ours.errors] == [ConnectionRefusedError]
    assert "an earlier datagram" in str(one.ours.errors[0])


def test_an_error_of_reading_is_told_and_what_has_come_is_delivered(loop: EventLoop, pair: Any) -> None:
    one = pair()
    one.sock.fail_read = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    one.peer.sendto(b"behind it")
    settle(loop)
    assert one.ours.came == [b"behind it"]
    assert [type(each) for each in one.ours.errors] == [ConnectionRefusedError]


def test_a_socket_that_is_gone_is_the_end(loop: EventLoop, pair: Any) -> None:
    for hook in ("fail_read", "fail_send"):
        one = pair()
        setattr(one.sock, hook, OSError(errno.EBADF, os.strerror(errno.EBADF)))
        one.endpoint.sendto(b"x")
        settle(loop)
        assert isinstance(one.ours.lost, OSError)
        assert one.ours.errors == []


def test_a_datagram_larger_than_what_is_read_at_once_is_told_and_not_delivered(loop: EventLoop, pair: Any) -> None:
    one = pair()
    one.sock.arrived.append(bytes(300_000))
    one.sock.arrived.append(b"next")
    settle(loop)
    assert one.ours.came == [b"next"]
    assert one.ours.errors[0].errno == errno.EMSGSIZE  # type: ignore[attr-defined]
    assert loop.counts["datagrams_cut"] == 1


def test_an_error_of_what_was_sent_before_connection_made_is_told_behind_it(loop: EventLoop) -> None:
    one = Pair(loop)
    one.endpoint.sendto(bytes(70_000))
    settle(loop)
    assert one.ours.calls == ["made", "error"]
    one.end()


def test_a_network_that_is_away_is_told_and_ends_nothing(loop: EventLoop, pair: Any) -> None:
    def send(data: Any, flags: int = 0) -> int:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    one = pair()
    one.sock.send = send
    one.endpoint.sendto(b"x")
    settle(loop)
    del one.sock.send
    one.endpoint.sendto(b"y")
    settle(loop)
    assert [each.errno for each in one.ours.errors] == [errno.ENETUNREACH]  # type: ignore[attr-defined]
    assert "datagram of 1 bytes to 'memory': Network is unreachable" in str(one.ours.errors[0])
    assert one.theirs.came == [b"y"]


def test_an_address_that_python_does_not_take_is_told_and_holds_up_nobody(loop: EventLoop, pair: Any) -> None:
    def send(data: Any, flags: int = 0) -> int:
        del one.sock.send
        raise TypeError("a family of sockets that wants something else")

    one = pair()
    one.sock.send = send
    one.endpoint.sendto(b"x")
    one.endpoint.sendto(b"y")
    settle(loop)
    assert "something else" in str(one.ours.errors[0])
    assert one.theirs.came == [b"y"]


def test_an_error_behind_a_close_is_told_to_nobody(loop: EventLoop, pair: Any) -> None:
    one = pair()
    one.endpoint.sendto(bytes(70_000))
    one.endpoint.close()
    settle(loop)
    assert one.ours.calls == ["made", "lost"]


# --- marks


def test_marks_are_reckoned_as_asyncios(pair: Any) -> None:
    one = pair()
    assert one.endpoint.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
    one.endpoint.set_write_buffer_limits(high=4000)
    assert one.endpoint.get_write_buffer_limits() == (1000, 4000)
    with pytest.raises(ValueError, match="high is 1 and low is 2"):
        one.endpoint.set_write_buffer_limits(high=1, low=2)


def test_lowering_the_marks_pauses(loop: EventLoop, pair: Any) -> None:
    one = pair()
    one.fill()
    assert "pause" not in one.ours.calls
    one.endpoint.set_write_buffer_limits(high=0)
    assert one.ours.calls[-1] == "pause"
    one.hearing()
    settle(loop)
    assert one.ours.calls[-1] == "resume"


def test_who_sends_much_before_it_is_made_is_paused_then(loop: EventLoop) -> None:
    one = Pair(loop, Limits(high_water=1000, low_water=100), capacity=1)
    one.deaf()
    for _ in range(10):
        one.endpoint.sendto(DATAGRAM)
    assert one.ours.calls == []
    settle(loop)
    assert one.ours.calls == ["made", "pause"]
    one.end()


# --- fairness


def test_a_flood_leaves_others_their_turn(loop: EventLoop, pair: Any) -> None:
    one = pair(capacity=10_000)
    one.sock.arrived.extend([b"x"] * 1000)
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(len(one.ours.came))
        if len(one.ours.came) < 1000:
            loop.call_soon(tick)

    loop.call_soon(tick)
    settle(loop, 100)
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    assert max(steps) <= 64
    assert len(one.ours.came) == 1000


# --- user code


def test_an_exception_behind_close_is_reported_and_not_the_cause(loop: EventLoop, pair: Any) -> None:
    def close_and_fail(self: Any) -> None:
        self.transport.close()
        raise LookupError

    reports: list[Any] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    one = pair(datagram=close_and_fail)
    one.peer.sendto(b"x")
    settle(loop)
    assert one.ours.lost is None
    assert [report["exception"].__class__ for report in reports] == [LookupError]
    assert reports[0]["message"] == "exception in datagram_received"
    assert reports[0]["transport"] is one.endpoint


def test_what_waits_leaves_before_an_exception_ends_it(loop: EventLoop, pair: Any) -> None:
    def answer_and_fail(self: Any) -> None:
        self.transport.sendto(b"an answer")
        raise LookupError

    loop.set_exception_handler(lambda _, context: None)
    one = pair(datagram=answer_and_fail)
    one.peer.sendto(b"x")
    settle(loop)
    assert one.theirs.came == [b"an answer"]
    assert isinstance(one.ours.lost, LookupError)


def test_a_protocol_needs_no_more_than_datagram_received(loop: EventLoop) -> None:
    class Least:
        def datagram_received(self, data: bytes, addr: Any) -> None:
            came.append(data)

        def connection_made(self, transport: Any) -> None:
            made.append(transport)

        def connection_lost(self, exc: Any) -> None:
            lost.append(exc)

    came: list[bytes] = []
    made: list[Any] = []
    lost: list[Any] = []
    one, other = memory_datagram_pair(loop, Least(), Least(), capacity=1)
    one.sendto(b"x")
    one.sendto(bytes(70_000))
    settle(loop)
    one.abort()
    other.abort()
    settle(loop)
    assert (came, made, lost) == ([b"x"], [one, other], [None, None])


# --- threads, ends, what is left


@pytest.mark.parametrize(
    "use",
    [
        lambda endpoint: endpoint.sendto(b"x"),
        lambda endpoint: endpoint.close(),
        lambda endpoint: endpoint.abort(),
        lambda endpoint: endpoint.set_write_buffer_limits(5),
        lambda endpoint: endpoint.join_group("224.1.1.1"),
    ],
)
def test_another_thread_is_refused_while_the_loop_turns(loop: EventLoop, pair: Any, use: Any) -> None:
    one = pair()
    refusal = elsewhere_in_a_turn(loop, lambda: use(one.endpoint))
    assert isinstance(refusal, RuntimeError)
    assert "on another thread" in str(refusal)


def test_closing_before_it_is_made_tells_nobody_and_sends_what_waits(loop: EventLoop) -> None:
    one = Pair(loop)
    one.endpoint.sendto(b"fire and forget")
    one.endpoint.close()
    settle(loop)
    assert one.ours.calls == []
    assert one.theirs.came == [b"fire and forget"]
    one.end()


def test_nothing_of_an_ended_endpoint_waits_for_the_collector(loop: EventLoop) -> None:
    one = Pair(loop)
    settle(loop)
    one.endpoint.sendto(b"x")
    settle(loop)
    one.end()
    refs = [weakref.ref(each) for each in (one.endpoint, one.ours)]
    gc.disable()
    try:
        del one
        settle(loop)
        assert [each() for each in refs] == [None, None]
    finally:
        gc.enable()


def test_a_repr_tells_state_and_addresses(loop: EventLoop, pair: Any) -> None:
    one = pair()
    assert repr(one.endpoint) == "<DatagramEndpoint open at='memory' peer='memory'>"
    one.endpoint.abort()
    settle(loop)
    assert repr(one.endpoint).startswith("<DatagramEndpoint lost")


@needs_extension
def test_the_twins_of_the_mechanism_have_the_same_face() -> None:
    pure, compiled = (importlib.import_module(f"reactor.transport._datagram_{each}").Datagrams for each in ("py", "c"))
    for name in (name for name in dir(pure) if not name.startswith("_")):
        assert hasattr(compiled, name), name
        if callable(getattr(pure, name)):
            ours, theirs = (list(inspect.signature(getattr(each, name)).parameters) for each in (pure, compiled))
            assert ours == theirs, name
    assert inspect.cleandoc(pure.sendto.__doc__) in inspect.cleandoc(compiled.sendto.__doc__)


def test_it_has_all_that_asyncios_transport_has() -> None:
    import asyncio

    names = {name for name in dir(asyncio.DatagramTransport) if not name.startswith("_")}
    assert names <= set(dir(DatagramEndpoint))


def test_mending_an_endpoint_that_is_whole_changes_nothing(loop: EventLoop, pair: Any) -> None:
    one = pair()
    one.fill()
    for _ in range(3):
        one.endpoint.mend()
        settle(loop, 1)
    one.hearing()
    sent = one.endpoint.traffic()[3]
    settle(loop, 20)
    assert one.ours.calls == ["made"]
    assert len(one.theirs.came) >= sent
