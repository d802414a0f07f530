"""When a look is full, by the numbers alone; what a loop makes of it is in test_turn.py, number 6."""

from __future__ import annotations

import selectors
import sys
from collections.abc import Iterator

import pytest

from reactor.loop import poller
from reactor.loop.handle import Handle
from reactor.loop.look import FullLook


def call() -> Handle:
    return Handle(print, ())


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullLook]:
    """A look whose polls are bounded to four."""
    if sys.platform != "linux":
        pytest.skip("only epoll's looks have a bound")
    monkeypatch.setattr(poller, "_MOST_EVENTS", 4)
    with poller.default_selector() as selector:
        yield FullLook(selector)


def test_a_poll_short_of_its_bound_makes_it_full(look: FullLook) -> None:
    look.begin(100)
    assert [look.is_full_with(4), look.is_full_with(3)] == [False, True]


def test_as_many_events_as_there_were_files_make_it_full(look: FullLook) -> None:
    look.begin(8)
    assert [look.is_full_with(4), look.is_full_with(4)] == [False, True]


def test_files_that_come_while_it_is_made_dont_make_it_longer(look: FullLook) -> None:
    look.asked.append(call())
    look.begin(8)
    assert not look.is_full_with(4)
    look.begin(1000)
    assert look.is_full_with(4)


def test_it_stays_full_until_all_its_calls_were_made(look: FullLook) -> None:
    look.asked.extend([call(), call()])
    look.begin(4)
    assert look.is_full_with(4)
    look.waiting.popleft()
    look.begin(4000)
    assert look.is_full_with(4)


def test_it_is_made_for_those_who_had_asked_when_it_began(look: FullLook) -> None:
    look.asked.append(first := call())
    look.begin(8)
    look.asked.append(second := call())
    look.begin(8)
    assert list(look.waiting) == [first]
    look.waiting.clear()
    look.begin(8)
    assert list(look.waiting) == [second]


def test_each_poll_of_any_other_selector_is_full() -> None:
    with selectors.SelectSelector() as selector:
        look = FullLook(selector)
    look.begin(100_000)
    assert look.is_full_with(50_000)
