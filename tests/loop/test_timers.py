"""Timers: never early, first in first out, and gone when they are cancelled."""

import gc
import math
import re
import selectors
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor import EventLoop, Timer
from reactor.testing import ManualClock, MemorySelector


def scheduled_by(name: str) -> Callable[[EventLoop, Callable[[], object]], Timer]:
    """Ways to set up a timer 10 seconds from now."""
    return {
        "call_later": lambda loop, callback: loop.call_later(10, callback),
        "call_at": lambda loop, callback: loop.call_at(loop.time() + 10, callback),
        "call_every": lambda loop, callback: loop.call_every(10, callback),
    }[name]


class Thing:
    """Something that a weak reference can watch."""


# --- when


@pytest.mark.parametrize("way", ["call_later", "call_at", "call_every"])
def test_a_timer_is_never_early(loop: EventLoop, clock: ManualClock, way: str) -> None:
    calls: list[float] = []
    timer = scheduled_by(way)(loop, lambda: calls.append(loop.time()))
    clock.now = math.nextafter(timer.when, 0)
    loop.run_once(0)
    assert calls == []
    clock.now = due = timer.when
    loop.run_once(0)
    assert calls == [due]


@given(start=st.floats(0, 1e9), delay=st.floats(0.001, 1e6))
@settings(deadline=None)
def test_a_timer_is_never_early_whatever_the_clock_says(start: float, delay: float) -> None:
    clock = ManualClock(start)
    with EventLoop(MemorySelector(), clock) as loop:
        calls: list[None] = []
        timer = loop.call_later(delay, calls.append, None)
        assert timer.when == start + delay
        clock.now = math.nextafter(timer.when, -math.inf)
        loop.run_once(0)
        assert calls == []
        clock.now = timer.when
        loop.run_once(0)
        assert calls == [None]


def test_a_timer_runs_once(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[int] = []
    loop.call_later(1, calls.append, 1)
    for _ in range(3):
        clock.advance(1)
        loop.run_once(0)
    assert calls == [1]


@pytest.mark.parametrize("delay", [0, -5])
def test_a_delay_that_is_over_already_runs_in_the_next_turn(loop: EventLoop, delay: float) -> None:
    calls: list[int] = []
    loop.call_later(delay, calls.append, 1)
    assert calls == []
    loop.run_once(0)
    assert calls == [1]


def test_timers_run_in_the_order_of_their_deadlines(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[int] = []
    for delay in (3, 1, 2):
        loop.call_later(delay, calls.append, delay)
    clock.advance(5)
    loop.run_once(0)
    assert calls == [1, 2, 3]


def test_equal_deadlines_run_first_in_first_out(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[int] = []
    for number in range(50):
        loop.call_at(1010, calls.append, number)
    clock.advance(10)
    loop.run_once(0)
    assert calls == list(range(50))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(-2, 12)),
        st.tuples(st.just("cancel"), st.integers(0, 60)),
        st.tuples(st.just("advance"), st.integers(0, 5)),
    ),
    max_size=80,
)


@given(STEPS)
@settings(deadline=None)
def test_any_timers_and_cancels_run_as_a_sorted_list_would(steps: list[tuple[str, int]]) -> None:
    clock = ManualClock()
    calls: list[int] = []
    waiting: dict[int, float] = {}  # the model: number -> deadline
    timers: list[Timer] = []
    with EventLoop(MemorySelector(), clock) as loop:
        for step, value in steps:
            if step == "add":
                waiting[len(timers)] = clock.now + value
                timers.append(loop.call_later(value, calls.append, len(timers)))
            elif step == "cancel" and value < len(timers):
                waiting.pop(value, None)
                timers[value].cancel()
            elif step == "advance":
                clock.advance(value)
                due = [number for number, when in waiting.items() if when <= clock.now]
                due.sort(key=lambda number: (waiting[number], number))
                loop.run_once(0)
                assert calls == due
                calls.clear()
                for number in due:
                    del waiting[number]
            assert loop.stats()["timers"] == len(waiting)


def test_a_timer_that_a_timer_sets_up_waits_for_the_next_turn(loop: EventLoop) -> None:
    calls: list[str] = []

    def first() -> None:
        calls.append("first")
        loop.call_later(0, calls.append, "second")
        loop.call_at(0, calls.append, "long ago")

    loop.call_later(0, first)
    loop.run_once(0)
    assert calls == ["first"]
    loop.run_once(0)
    assert calls == ["first", "long ago", "second"]


def test_a_timer_that_becomes_due_while_others_run_waits_for_the_next_turn(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[str] = []
    loop.call_later(1, lambda: clock.advance(10))
    loop.call_later(2, calls.append, "second")
    clock.advance(1)
    loop.run_once(0)
    assert calls == []
    loop.run_once(0)
    assert calls == ["second"]


def test_a_timer_with_an_infinite_deadline_never_runs_and_hinders_nobody(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[str] = []
    loop.call_at(math.inf, calls.append, "never")
    loop.call_later(1, calls.append, "due")
    clock.advance(1e9)
    loop.run_once(0)
    assert calls == ["due"]


@pytest.mark.parametrize("way", ["call_later", "call_at", "call_every"])
def test_a_deadline_that_is_not_a_number_is_refused(loop: EventLoop, way: str) -> None:
    with pytest.raises(ValueError, match="nan"):
        getattr(loop, way)(math.nan, print)


@pytest.mark.parametrize("when", [None, "noon"])
def test_a_deadline_that_is_no_time_at_all_is_refused_where_it_is_given(loop: EventLoop, when: Any) -> None:
    with pytest.raises(TypeError):
        loop.call_at(when, print)


@pytest.mark.parametrize("kind", [selectors.DefaultSelector, selectors.SelectSelector])
def test_a_loop_sleeps_until_a_deadline_and_doesnt_spin_before_it(kind: type[selectors.BaseSelector]) -> None:
    with EventLoop(kind()) as loop:
        due: list[float] = []
        timer = loop.call_later(0.0205, lambda: (due.append(loop.time()), loop.stop()))
        loop.run()
        assert due[0] >= timer.when
        assert loop.stats()["turns"] < 10


# --- cancelled


@pytest.mark.parametrize("way", ["call_later", "call_at", "call_every"])
@pytest.mark.parametrize("wrong", ["1", None, [1]])
def test_what_is_no_number_of_seconds_is_named(loop: EventLoop, way: str, wrong: object) -> None:
    with pytest.raises(TypeError, match=re.escape(f"a number of seconds is needed, not {wrong!r}")):
        getattr(loop, way)(wrong, print)


@pytest.mark.parametrize("way", ["call_later", "call_at", "call_every"])
def test_a_cancelled_timer_doesnt_run(loop: EventLoop, clock: ManualClock, way: str) -> None:
    calls: list[int] = []
    timer = scheduled_by(way)(loop, lambda: calls.append(1))
    timer.cancel()
    clock.advance(100)
    loop.run_once(0)
    assert calls == []
    assert timer.cancelled


def test_a_due_timer_cancelled_by_an_earlier_due_one_doesnt_run(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[str] = []
    loop.call_later(1, lambda: second.cancel())
    second = loop.call_later(1, calls.append, "second")
    loop.call_later(1, calls.append, "third")
    clock.advance(1)
    loop.run_once(0)
    assert calls == ["third"]


def test_a_cancelled_timer_lets_go_of_its_arguments(loop: EventLoop) -> None:
    thing = Thing()
    watched = weakref.ref(thing)
    timer = loop.call_later(3600, id, thing)
    del thing
    assert watched() is not None
    timer.cancel()
    assert watched() is None


def test_a_timer_that_has_run_lets_go_of_its_arguments(loop: EventLoop) -> None:
    thing = Thing()
    watched = weakref.ref(thing)
    loop.call_later(0, id, thing)
    del thing
    loop.run_once(0)
    assert watched() is None


def test_cancelling_twice_or_after_the_run_counts_once(loop: EventLoop, clock: ManualClock) -> None:
    ran, cancelled, waiting = (loop.call_later(delay, print) for delay in (0, 5, 5))
    ran.cancel()
    loop.run_once(0)
    for timer in (ran, cancelled, cancelled, ran):
        timer.cancel()
    assert loop.stats()["timers"] == 1
    waiting.cancel()
    assert loop.stats()["timers"] == 0


def test_thousands_of_cancelled_timers_dont_stay(loop: EventLoop, clock: ManualClock) -> None:
    def living() -> int:
        return sum(isinstance(each, Timer) for each in gc.get_objects())

    calls: list[str] = []
    before = living()
    loop.call_later(2, calls.append, "kept")
    for _ in range(5000):
        loop.call_later(3600, print).cancel()
    assert living() - before < 200
    clock.advance(2)
    loop.run_once(0)
    assert calls == ["kept"]


def test_compaction_keeps_what_isnt_cancelled_and_its_order(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[int] = []
    timers = [loop.call_later(number % 7, calls.append, number) for number in range(1000)]
    kept = [number for number in range(1000) if number % 10 == 3]
    for number, timer in enumerate(timers):
        if number not in kept:
            timer.cancel()
    assert loop.stats()["timers"] == len(kept)
    clock.advance(10)
    loop.run_once(0)
    assert calls == sorted(kept, key=lambda number: (number % 7, number))


def test_timers_may_be_cancelled_by_the_thousand_from_inside_a_timer(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[str] = []
    many = [loop.call_later(1, calls.append, "cancelled") for _ in range(1000)]
    loop.call_later(0.5, lambda: [each.cancel() for each in many])
    loop.call_later(1, calls.append, "kept")
    clock.advance(1)
    loop.run_once(0)
    assert calls == ["kept"]
    assert loop.stats()["timers"] == 0


# --- repeated


def test_call_every_runs_every_interval_first_in_one_interval(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[float] = []
    loop.call_every(10, lambda: calls.append(clock.now))
    loop.run_once(0)
    for _ in range(35):
        clock.advance(1)
        loop.run_once(0)
    assert calls == [1010, 1020, 1030]


def test_call_every_passes_its_arguments_each_time(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[int] = []
    loop.call_every(1, calls.append, 7)
    for _ in range(3):
        clock.advance(1)
        loop.run_once(0)
    assert calls == [7, 7, 7]


def test_call_every_skips_the_runs_that_were_missed_and_keeps_its_phase(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[float] = []
    loop.call_every(10, lambda: calls.append(clock.now))
    clock.advance(95)
    loop.run_once(0)
    loop.run_once(0)
    assert calls == [1095]
    clock.advance(5)
    loop.run_once(0)
    loop.run_once(0)
    assert calls == [1095, 1100]


def test_call_every_skips_the_runs_that_its_own_callback_missed(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[float] = []

    def slow() -> None:
        calls.append(clock.now)
        clock.advance(35)

    loop.call_every(10, slow)
    clock.advance(10)
    for _ in range(3):
        loop.run_once(0)
    assert calls == [1010]
    clock.advance(5)
    loop.run_once(0)
    assert calls == [1010, 1050]


def test_a_run_that_comes_late_doesnt_shift_the_next(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[float] = []
    loop.call_every(10, lambda: calls.append(clock.now))
    clock.advance(13)
    loop.run_once(0)
    clock.advance(7)
    loop.run_once(0)
    assert calls == [1013, 1020]


def test_call_every_goes_on_after_an_exception(
    loop: EventLoop, clock: ManualClock, reports: list[dict[str, Any]]
) -> None:
    error = ValueError("every time")

    def fail() -> None:
        raise error

    loop.call_every(1, fail)
    for _ in range(3):
        clock.advance(1)
        loop.run_once(0)
    assert [report["exception"] for report in reports] == [error] * 3


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
def test_call_every_goes_on_when_its_callback_ended_the_run(
    loop: EventLoop, clock: ManualClock, leaving: type[BaseException]
) -> None:
    calls: list[int] = []

    def leave_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise leaving

    loop.call_every(1, leave_once)
    clock.advance(1)
    with pytest.raises(leaving):
        loop.run_once(0)
    clock.advance(1)
    loop.run_once(0)
    assert calls == [1, 1]


def test_call_every_can_be_cancelled_from_inside(loop: EventLoop, clock: ManualClock) -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        if len(calls) == 2:
            timer.cancel()

    timer = loop.call_every(1, call)
    for _ in range(5):
        clock.advance(1)
        loop.run_once(0)
    assert calls == [1, 1]
    assert loop.stats()["timers"] == 0


def test_a_repeated_timer_that_runs_often_is_one_timer(loop: EventLoop, clock: ManualClock) -> None:
    timer = loop.call_every(1, id, 0)
    for _ in range(100):
        clock.advance(1)
        loop.run_once(0)
    assert loop.stats()["timers"] == 1
    timer.cancel()
    assert loop.stats()["timers"] == 0


@pytest.mark.parametrize("interval", [0, -1, -0.5])
def test_an_interval_of_nothing_or_less_is_refused(loop: EventLoop, interval: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        loop.call_every(interval, print)
    assert loop.stats()["timers"] == 0
