"""Newcomers: who says nothing in time is ended, whatever else happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactor import EventLoop
from reactor.newcomers import Newcomers
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


def come(newcomers: Any, count: int) -> list[Guest]:
    guests = [Guest() for _ in range(count)]
    for guest in guests:
        newcomers.add(guest)
    return guests


def test_so_many_that_are_due_at_once_are_all_ended_a_look_at_a_time(loop: EventLoop, clock: ManualClock) -> None:
    newcomers = Newcomers(loop, 5)
    guests = come(newcomers, 1000)
    for guest in guests[::10]:
        guest.spoke = True
    clock.advance(5)
    most = before = 0
    for _ in range(24):
        loop.run_once(0)
        ended = sum(guest.ended for guest in guests)
        most, before = max(most, ended - before), ended
    assert [guest.ended for guest in guests] == [not guest.spoke for guest in guests]
    assert most <= 256
    assert loop.stats()["timers"] == 0


def test_who_is_gone_because_another_was_ended_is_left_alone(loop: EventLoop, clock: ManualClock) -> None:
    newcomers: Any = Newcomers(loop, 5)
    other = Guest()
    newcomers.add(Guest(lambda: newcomers.discard(other)))
    newcomers.add(other)
    pass_time(loop, clock, 5)
    assert not other.ended


def test_when_all_are_gone_there_is_no_timer(loop: EventLoop, clock: ManualClock) -> None:
    newcomers: Any = Newcomers(loop, 5)
    for guest in come(newcomers, 3):
        newcomers.discard(guest)
        newcomers.discard(guest)
    assert loop.stats()["timers"] == 0
    come(newcomers, 3)
    newcomers.clear()
    assert loop.stats()["timers"] == 0


def test_who_comes_while_others_are_judged_has_all_its_time(loop: EventLoop, clock: ManualClock) -> None:
    newcomers: Any = Newcomers(loop, 5)
    late = Guest()
    newcomers.add(Guest(lambda: newcomers.add(late)))
    pass_time(loop, clock, 5)
    pass_time(loop, clock, 4.5)
    assert not late.ended
    pass_time(loop, clock, 0.5)
    assert late.ended
    assert loop.stats()["timers"] == 0


def test_an_exception_out_of_nowhere_lets_nobody_be_silent_for_ever(loop: EventLoop, clock: ManualClock) -> None:
    newcomers: Any = Newcomers(loop, 5)
    known, unknown = come(newcomers, 1)[0], Guest()
    newcomers._timer.cancel()  # as if it had never been set
    newcomers.mend({known: None, unknown: None})
    newcomers.mend({known: None, unknown: None})
    pass_time(loop, clock, 5)
    assert (known.ended, unknown.ended) == (True, True)


def test_with_no_limit_nothing_is_waited_for(loop: EventLoop) -> None:
    newcomers: Any = Newcomers(loop, None)
    (guest,) = come(newcomers, 1)
    newcomers.mend({guest: None})
    newcomers.discard(guest)
    newcomers.clear()
    assert loop.stats()["timers"] == 0
