"""Watches: identity is the object, never the fd number; over every selector there is."""

import selectors
import socket
from typing import Any

import pytest

from reactor import EventLoop

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def loop(each_selectors_loop: EventLoop) -> EventLoop:
    return each_selectors_loop


# --- watches, for transports


def test_a_watch_has_no_interest_until_it_is_told(loop: EventLoop, pair: Pair) -> None:
    watch = loop.watch(pair[0], lambda: pytest.fail("read"), lambda: pytest.fail("write"))
    pair[1].send(b"x")
    loop.run_once(0)
    assert watch.mask == 0
    assert loop.stats()["watched"] == 0


@pytest.mark.parametrize(
    ("mask", "expected"), [(READ, ["read"]), (WRITE, ["write"]), (READ | WRITE, ["read", "write"]), (0, [])]
)
def test_a_watch_calls_for_what_it_wants(loop: EventLoop, pair: Pair, mask: int, expected: list[str]) -> None:
    calls: list[str] = []
    watch = loop.watch(pair[0], lambda: calls.append("read"), lambda: calls.append("write"))
    pair[1].send(b"x")
    watch.want(READ | WRITE)
    watch.want(mask)
    loop.run_once(0)
    assert calls == expected
    watch.want(0)


def test_a_watch_that_is_closed_is_in_no_selector(loop: EventLoop, pair: Pair) -> None:
    watch = loop.watch(pair[0], lambda: pytest.fail("read"), lambda: pytest.fail("write"))
    watch.want(READ)
    watch.close()
    assert loop.stats()["watched"] == 0
    assert pair[0].fileno() not in loop.selector.get_map()


def test_a_watch_adds_and_removes_one_interest_at_a_time(loop: EventLoop, pair: Pair) -> None:
    calls: list[str] = []
    watch = loop.watch(pair[0], lambda: calls.append("read"), lambda: calls.append("write"))
    pair[1].send(b"x")
    watch.add(READ)
    watch.add(WRITE)
    watch.remove(READ)
    loop.run_once(0)
    assert calls == ["write"]
    watch.remove(WRITE)
    watch.remove(WRITE)
    loop.run_once(0)
    assert calls == ["write"]


def test_an_event_for_a_watch_that_gave_up_in_this_turn_is_dropped(
    loop: EventLoop, pair: Pair, other_pair: Pair
) -> None:
    calls: list[int] = []

    def give_up(number: int) -> None:
        calls.append(number)
        watches[1 - number].want(0)

    watches = [
        loop.watch(pair[0], lambda: give_up(0), lambda: None),
        loop.watch(other_pair[0], lambda: give_up(1), lambda: None),
    ]
    for watch, sock in zip(watches, (pair[1], other_pair[1]), strict=True):
        watch.want(READ)
        sock.send(b"x")
    loop.run_once(0)
    assert len(calls) == 1


def test_the_selector_is_changed_only_when_the_interest_changes(pair: Pair) -> None:
    changes: list[str] = []

    class Noting(selectors.DefaultSelector):
        def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            changes.append("register")
            return super().register(fileobj, events, data)

        def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            changes.append("modify")
            return super().modify(fileobj, events, data)

        def unregister(self, fileobj: Any) -> selectors.SelectorKey:
            changes.append("unregister")
            return super().unregister(fileobj)

    with EventLoop(Noting()) as loop:
        watch = loop.watch(pair[0], print, print)
        changes.clear()
        for mask in (READ, READ, READ | WRITE, READ | WRITE, WRITE, 0, 0):
            watch.want(mask)
    assert changes == ["register", "modify", "modify", "unregister"]
