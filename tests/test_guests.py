"""Newcomers: who says nothing in time is ended, whatever else happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactor import EventLoop
from reactor.guests import Guests
from reactor.testing import ManualClock


class Guest:
    """Stands for a connection that has been accepted."""

    def __init__(self, act: Callable[[], object] | None = None) -> None:
        self.spoke = self.ended = False
        self.act = act

    def has_spoken(self) -> bool:
        return self.spoke

    def may_have_spoken(self) -> bool:
        return False

    def stayed_silent(self, seconds: float) -> None:
        self.ended = True
        if self.act is not None:
            self.act()


def pass_time(loop: EventLoop, clock: ManualClock, seconds: float) -> None:
    clock.advance(seconds)
    for _ in range(12):
        loop.run_once(0)


def come(guests: Any, count: int) -> list[Guest]:
    came = [Guest() for _ in range(count)]
    for guest in came:
        guests.add(guest)
    return came


def test_so_many_that_are_due_at_once_are_all_ended_a_look_at_a_time(loop: EventLoop, clock: ManualClock) -> None:
    guests: Any = Guests(loop, 5)
    came = come(guests, 1000)
    for guest in came[::10]:
        guest.spoke = True
    clock.advance(5)
    most = before = 0
    for _ in range(24):
        loop.run_once(0)
        ended = sum(guest.ended for guest in came)
        most, before = max(most, ended - before), ended
    assert [guest.ended for guest in came] == [not guest.spoke for guest in came]
    assert most <= 256
    assert loop.stats()["timers"] == 0


def test_who_is_gone_because_another_was_ended_is_left_alone(loop: EventLoop, clock: ManualClock) -> None:
    guests: Any = Guests(loop, 5)
    other = Guest()
    guests.add(Guest(lambda: guests.discard(other)))
    guests.add(other)
    pass_time(loop, clock, 5)
    assert not other.ended


def test_one_timer_is_set_for_all_who_come_and_go_and_lapses(loop: EventLoop, clock: ManualClock) -> None:
    guests: Any = Guests(loop, 5)
    for _ in range(10):
        for guest in come(guests, 3):
            guests.discard(guest)
            guests.discard(guest)
    assert (len(guests), loop.stats()["timers"]) == (0, 1)
    pass_time(loop, clock, 5)
    assert loop.stats()["timers"] == 0


def test_when_nobody_may_come_any_more_there_is_no_timer(loop: EventLoop) -> None:
    guests: Any = Guests(loop, 5)
    (guest,) = come(guests, 1)
    guests.rest()
    assert loop.stats()["timers"] == 1, "one is still to be judged"
    guests.discard(guest)
    guests.rest()
    assert loop.stats()["timers"] == 0
    come(guests, 3)
    guests.clear()
    assert (len(guests), loop.stats()["timers"]) == (0, 0)


def test_who_has_spoken_stays_in_the_order_in_which_all_came(loop: EventLoop, clock: ManualClock) -> None:
    guests: Any = Guests(loop, 5)
    came = come(guests, 3)
    for guest in came:
        guest.spoke = True
    pass_time(loop, clock, 5)
    came += come(guests, 2)
    assert list(guests) == came
    for guest in came:
        guests.discard(guest)
    assert len(guests) == 0


def test_who_comes_while_others_are_judged_has_all_its_time(loop: EventLoop, clock: ManualClock) -> None:
    guests: Any = Guests(loop, 5)
    late = Guest()
    guests.add(Guest(lambda: guests.add(late)))
    pass_time(loop, clock, 5)
    pass_time(loop, clock, 4.5)
    assert not late.ended
    pass_time(loop, clock, 0.5)
    assert late.ended
    assert loop.stats()["timers"] == 0


def test_an_exception_out_of_nowhere_lets_nobody_be_silent_for_ever(loop: EventLoop, clock: ManualClock) -> None:
    guests: Any = Guests(loop, 5)
    came = come(guests, 2)
    guests._timer.cancel()  # as if it had never been set
    guests.known[came[0]] = None  # as if nobody had asked whether it has spoken
    guests.mend()
    guests.mend()
    assert len(guests) == 2
    pass_time(loop, clock, 5)
    assert [guest.ended for guest in came] == [True, True]


def test_with_no_limit_nothing_is_waited_for(loop: EventLoop) -> None:
    guests: Any = Guests(loop, None)
    (guest,) = come(guests, 1)
    guests.mend()
    assert list(guests) == [guest]
    guests.discard(guest)
    assert (len(guests), loop.stats()["timers"]) == (0, 0)
    guests.clear()
