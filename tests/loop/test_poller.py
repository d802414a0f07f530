"""One look at what is ready: bounded, fair, and never about a file that isn't registered any more."""

from __future__ import annotations

import math
import os
import selectors
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from reactor import EventLoop
from reactor.loop import poller

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
Pairs = Callable[[int], list[tuple[socket.socket, socket.socket]]]


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with poller.default_selector() as selector:
        yield selector


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> int:
    """A bound that is met with few files."""
    monkeypatch.setattr(poller, "_MOST_EVENTS", 32)
    return 32


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    with ExitStack() as stack:
        yield lambda count: [tuple(map(stack.enter_context, socket.socketpair())) for _ in range(count)]  # type: ignore[misc]


def test_it_is_the_systems_own_with_a_bounded_look(selector: selectors.BaseSelector) -> None:
    assert isinstance(selector, selectors.EpollSelector)


def test_one_look_is_bounded_and_the_next_begins_with_who_was_left_out(
    selector: selectors.BaseSelector, pairs: Pairs, bound: int
) -> None:
    for number, (ours, peer) in enumerate(pairs(50)):
        selector.register(ours, READ, number)
        peer.send(b"x")
    poll = poller.poll_of(selector)
    first, second = [number for number, _ in poll(0)], [number for number, _ in poll(0)]
    assert len(first) == len(second) == bound
    assert set(second[:18]) == set(range(50)) - set(first)


@pytest.mark.usefixtures("bound")
def test_everybody_is_served_though_more_are_ready_than_one_look_finds(pairs: Pairs) -> None:
    served: set[int] = set()
    with EventLoop() as loop:
        for number, (ours, peer) in enumerate(pairs(90)):
            loop.add_reader(ours, served.add, number)  # never reads, so all stay ready
            peer.send(b"x")
        for _ in range(3):
            loop.run_once(0)
    assert served == set(range(90))


@pytest.mark.parametrize("events", [READ, WRITE, READ | WRITE])
def test_a_hang_up_is_for_whoever_is_interested_in_anything(
    selector: selectors.BaseSelector, pairs: Pairs, events: int
) -> None:
    ((ours, peer),) = pairs(1)
    selector.register(ours, events, "data")
    peer.close()
    ((data, mask),) = poller.poll_of(selector)(0)
    assert (data, mask & events) == ("data", events)


def test_no_timeout_is_a_number_too_for_epolls_that_take_no_none(
    selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PyPys:
        def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]:
            asked.append(float(timeout))
            return []

    asked: list[float] = []
    monkeypatch.setattr(selector, "_selector", PyPys())
    poller.poll_of(selector)(None)
    assert asked[0] < 0
    monkeypatch.undo()


def test_what_is_registered_anew_is_what_is_found(selector: selectors.BaseSelector, pairs: Pairs) -> None:
    ((ours, peer),) = pairs(1)
    peer.send(b"x")
    poll = poller.poll_of(selector)
    selector.register(ours, READ, "one")
    selector.modify(ours, READ | WRITE, "two")
    assert poll(0) == [("two", READ | WRITE)]
    selector.unregister(ours)
    assert poll(0) == []
    selector.register(ours, READ, "three")
    assert poll(0) == [("three", READ)]


def test_a_registration_that_was_interrupted_when_it_was_done_can_be_made_again(pairs: Pairs) -> None:
    ((one, other),) = pairs(1)
    with poller.EpollSelector() as selector:
        selector._selector.register(one.fileno(), 0)  # as far as the kernel knows
        selector.register(one, READ, "reader")
        other.send(b"x")
        assert selector.poll(1) == [("reader", READ)]


def test_a_file_closed_without_being_unregistered_is_found_for_nobody(
    selector: selectors.BaseSelector, pairs: Pairs
) -> None:
    ((ours, peer),) = pairs(1)
    peer.send(b"x")
    selector.register(ours, READ, "data")
    kept = os.dup(ours.fileno())  # so the kernel goes on watching
    ours.close()
    selector.unregister(ours)
    ((data, mask),) = poller.poll_of(selector)(0)
    assert (data.mask, mask) == (0, 0)
    os.close(kept)


def test_the_loop_calls_nobody_for_a_file_closed_without_being_unregistered(pairs: Pairs) -> None:
    ((ours, peer),) = pairs(1)
    with EventLoop() as loop:
        loop.add_reader(ours, pytest.fail, "the reader of a closed file was called")
        loop.add_writer(ours, pytest.fail, "the writer of a closed file was called")
        peer.send(b"x")
        kept = os.dup(ours.fileno())
        number = ours.detach()
        os.close(number)
        loop._selector.unregister(number)
        loop.run_once(0)
        os.close(kept)


def test_a_look_has_a_bound_on_the_loops_own_selector_alone(selector: selectors.BaseSelector, bound: int) -> None:
    assert poller.bound_of(selector) == bound
    with selectors.SelectSelector() as other:
        assert poller.bound_of(other) == math.inf


def test_any_other_selector_is_looked_at_as_it_is(pairs: Pairs) -> None:
    ((ours, peer),) = pairs(1)
    peer.send(b"x")
    with selectors.SelectSelector() as selector:
        selector.register(ours, READ, "data")
        assert poller.poll_of(selector)(0) == [("data", READ)]


def test_a_poll_of_another_kind_is_left_alone(pairs: Pairs) -> None:
    class HasPoll(selectors.SelectSelector):
        poll = "no business of the loop's"

    ((ours, peer),) = pairs(1)
    peer.send(b"x")
    seen: list[str] = []
    with EventLoop(HasPoll()) as loop:
        loop.add_reader(ours, seen.append, "ready")
        loop.run_once(0)
    assert seen == ["ready"]
