"""Stalls: a turn that takes too long is told of while it does, once, with the place where the loop stands."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from interruption import Interruption, OutOfNowhere, raise_out_of_nowhere

from reactor import EventLoop
from reactor.loop.stalls import Stalls
from reactor.testing import ManualClock, MemorySelector

PATIENCE = 20.0  # seconds until what never comes fails the test
AFTER = 0.01

Run = Callable[[EventLoop], None]


@pytest.fixture
def stalls(clock: ManualClock) -> Stalls:
    """Turns of nobody's: whoever makes them says when they are looked at, and no thread does."""
    stalls = Stalls(lambda timeout: [], clock)
    stalls._after = 2.0
    return stalls


@pytest.fixture(autouse=True)
def nobody_watches_on() -> Iterator[None]:
    """See to it that every watch is over when its loop is closed."""
    yield
    for each in watchers():
        each.join(PATIENCE)
    assert watchers() == []


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the first line of each that was told."""
    return [record.getMessage().partition("\n")[0] for record in caplog.records]


def watchers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "reactor-stalls"]


# --- what is judged, on a clock that is told the time


def test_a_turn_is_told_of_when_it_has_taken_so_long(
    stalls: Stalls, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    stalls.poll(None)
    clock.advance(1.75)
    stalls.look(clock())
    assert lines(caplog) == []
    clock.advance(0.25)
    stalls.look(clock())
    assert lines(caplog) == ["the loop stands still: a turn has taken 2.000 s so far, report_stalls(after=2). It is at"]
    assert [(each.name, each.levelno) for each in caplog.records] == [("reactor.loop.stalls", logging.WARNING)]
    assert stalls.count == 1


def test_the_stack_of_the_loop_s_thread_is_shown(
    stalls: Stalls, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    stalls.poll(None)
    clock.advance(5)
    stalls.look(clock())
    assert "in test_the_stack_of_the_loop_s_thread_is_shown" in caplog.text
    assert "stalls.look(clock())" in caplog.text


def test_a_stall_is_told_of_once_however_long_it_lasts(
    stalls: Stalls, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    stalls.poll(None)
    for _ in range(5):
        clock.advance(2)
        stalls.look(clock())
    assert len(caplog.records) == 1


def test_the_next_stall_is_another_one(stalls: Stalls, clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        stalls.poll(None)
        clock.advance(2)
        stalls.look(clock())
    assert (len(caplog.records), stalls.count) == (3, 3)


def test_many_short_turns_are_no_stall(stalls: Stalls, clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        stalls.poll(None)
        clock.advance(1)
        stalls.look(clock())
    assert caplog.records == []


def test_waiting_is_no_stall(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    def poll(timeout: float | None) -> list[Any]:
        clock.advance(60)
        stalls.look(clock())
        return []

    stalls = Stalls(poll, clock)
    stalls._after = 2.0
    for _ in range(3):
        stalls.poll(None)
    stalls.look(clock())
    assert (caplog.records, stalls.longest) == ([], 0)


def test_who_makes_no_turn_does_not_stand_still(
    stalls: Stalls, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    stalls.poll(None)
    stalls.turn_ended()
    clock.advance(60)
    stalls.look(clock())
    stalls.poll(None)
    assert (caplog.records, stalls.longest) == ([], 0)


def test_a_turn_that_is_over_when_its_stack_is_asked_for_is_not_told_of(
    stalls: Stalls, clock: ManualClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = sys._current_frames()

    def too_late() -> Any:
        stalls.turn_ended()
        return frames

    stalls.poll(None)
    clock.advance(2)
    monkeypatch.setattr("sys._current_frames", too_late)
    stalls.look(clock())
    assert (caplog.records, stalls.count) == ([], 0)


def test_it_is_looked_at_when_it_could_have_become_one(stalls: Stalls, clock: ManualClock) -> None:
    assert stalls.due_in(clock()) == 2, "no turn: one may begin at once"
    stalls.poll(None)
    clock.advance(0.5)
    assert stalls.due_in(clock()) == 1.5
    clock.advance(8)
    assert stalls.due_in(clock()) == 0
    stalls.look(clock())
    assert stalls.due_in(clock()) == 2, "it was told of: the next one"


# --- a loop


def test_the_longest_turn_is_known_while_turns_are_watched(loop: EventLoop, clock: ManualClock) -> None:
    loop.call_soon(clock.advance, 9)
    loop.run_once(0)
    assert loop.stats()["longest_turn"] == 0, "nobody has asked"
    loop.report_stalls(math.inf)
    for seconds in (0.25, 1.5, 0.5):
        loop.call_soon(clock.advance, seconds)
        loop.run_once(0)
        clock.advance(60)
    assert loop.stats()["longest_turn"] == 1_500_000
    loop.report_stalls(None)
    loop.call_soon(clock.advance, 9)
    loop.run_once(0)
    assert loop.stats()["longest_turn"] == 1_500_000


def test_the_turns_of_a_run_are_known_one_by_one(loop: EventLoop, clock: ManualClock) -> None:
    loop.report_stalls(math.inf)
    steps = [2.0, 3.0, 1.0]

    def step() -> None:
        clock.advance(steps.pop(0))
        if steps:
            loop.call_soon(step)
        else:
            loop.stop()

    loop.call_soon(step)
    loop.run()
    assert loop.stats()["longest_turn"] == 3_000_000


def test_a_turn_that_a_keyboard_interrupt_leaves_is_over(loop: EventLoop, clock: ManualClock) -> None:
    def interrupt() -> None:
        clock.advance(1)
        raise KeyboardInterrupt

    loop.report_stalls(math.inf)
    loop.call_soon(interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run_once(0)
    clock.advance(60)
    loop.run_once(0)
    assert loop.stats()["longest_turn"] == 1_000_000


def test_a_turn_that_is_interrupted_anywhere_is_over(clock: ManualClock) -> None:
    for number in itertools.count():
        with EventLoop(MemorySelector(), clock) as loop:
            loop.report_stalls(math.inf)
            loop.call_soon(clock.advance, 1)
            with contextlib.suppress(OutOfNowhere), Interruption(number, raise_out_of_nowhere) as interruption:
                loop.run_once(0)
            clock.advance(60)
            loop.run_once(0)
            assert loop.stats()["longest_turn"] <= 1_000_000, interruption.met
        if not interruption.met:
            break
    assert number > 10


def test_a_callback_that_blocks_is_told_of_while_it_blocks(real: EventLoop, run: Run) -> None:
    texts: list[str] = []
    told = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())
            told.set()

    def stand_still() -> None:
        assert told.wait(PATIENCE), "nobody was told"
        real.stop()

    log, handler = logging.getLogger("reactor.loop.stalls"), Told()
    log.addHandler(handler)
    try:
        real.report_stalls(AFTER)
        real.call_soon(stand_still)
        run(real)
    finally:
        log.removeHandler(handler)
    assert len(texts) == real.stats()["stalls"] == 1
    assert "in stand_still" in texts[0]
    assert real.stats()["longest_turn"] >= AFTER * 1e6


def test_a_loop_that_waits_is_not_told_of(real: EventLoop, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    real.report_stalls(AFTER)
    real.call_later(10 * AFTER, real.stop)
    run(real)
    assert caplog.records == []


def test_one_thread_watches_until_it_is_told_to_end_and_until_close(real: EventLoop) -> None:
    real.report_stalls()
    (first,) = watchers()
    assert first.daemon
    real.report_stalls(60)
    first.join(PATIENCE)
    (second,) = watchers()
    real.report_stalls(None)
    second.join(PATIENCE)
    assert watchers() == []
    real.report_stalls(60)
    (third,) = watchers()
    real.close()
    third.join(PATIENCE)
    assert watchers() == []


def test_it_may_be_begun_and_ended_by_a_callback(loop: EventLoop, clock: ManualClock) -> None:
    def begin() -> None:
        loop.report_stalls(math.inf)
        clock.advance(5)

    def end() -> None:
        clock.advance(2)
        loop.report_stalls(None)
        clock.advance(60)

    loop.call_soon(begin)
    loop.run_once(0)
    assert loop.stats()["longest_turn"] == 0, "from the next turn on"
    loop.call_soon(end)
    loop.run_once(0)
    loop.run_once(0)
    assert loop.stats()["longest_turn"] == 0, "a turn that wasn't seen to its end"


@pytest.mark.parametrize("after", ["1", b"", True, [], object()])
def test_what_are_no_seconds_is_refused(loop: EventLoop, after: Any) -> None:
    with pytest.raises(TypeError, match="after is "):
        loop.report_stalls(after)


@pytest.mark.parametrize("after", [0, -1, 0.0, -math.inf, math.nan])
def test_no_time_at_all_is_refused(loop: EventLoop, after: float) -> None:
    with pytest.raises(ValueError, match=r"after is .*more than 0 seconds"):
        loop.report_stalls(after)


def test_a_closed_loop_can_not_be_watched_but_let_alone(loop: EventLoop) -> None:
    loop.report_stalls(60)
    loop.close()
    loop.report_stalls(None)
    with pytest.raises(RuntimeError, match="closed"):
        loop.report_stalls()


def test_a_child_of_a_fork_has_nobody_who_looks_and_ends_in_good_order(script: Callable[[str], Any]) -> None:
    out, _ = script(
        """
        import os, threading
        from reactor import EventLoop

        loop = EventLoop()
        loop.report_stalls(0.001)
        loop.run_once(0)
        child = os.fork()
        if not child:
            loop.report_stalls(None)
            loop.close()
            with EventLoop() as another:
                another.report_stalls(60)
                another.run_once(0)
            os._exit(threading.active_count() > 2)
        print(os.waitpid(child, 0)[1])
        loop.run_once(0)
        loop.close()
        """
    )
    assert out == "0\n"


def test_a_log_that_raises_ends_neither_the_loop_nor_the_watch(
    stalls: Stalls, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(logging.getLogger("reactor.loop.stalls"), "log", broken)
    stalls.poll(None)
    clock.advance(2)
    stalls.look(clock())
    assert "the disk is full" in capsys.readouterr().err
